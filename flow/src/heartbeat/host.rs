//! What is read of the machine and of this process, by the crate `sysinfo`.

use std::ffi::OsString;
use std::fmt;
use std::time::Instant;

use sysinfo::{
    CpuRefreshKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, Pid, ProcessRefreshKind,
    ProcessesToUpdate, System,
};

use super::rate::Rates;

/// The machine's name; `None` where it has none that is text.
pub fn host_name() -> Option<String> {
    System::host_name()
        .ok()
        .filter(|name| !name.trim().is_empty())
}

/// Reads the machine, again and again.
pub(super) struct Host {
    system: System,
    disks: Option<Disks>,
    networks: Option<Networks>,
    /// Of devices with mounted file systems, by their names.
    disk: Rates<OsString>,
    /// Of interfaces, by their names.
    net: Rates<OsString>,
    process: Option<Pid>,
    /// CPU time of this process, in milliseconds.
    cpu_time: Rates<()>,
}

/// What was read; what could not be is absent. Units are those of the columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) cpu: f64,
    pub(super) cores: Vec<f64>,
    pub(super) load: Option<[f64; 3]>,
    pub(super) memory_total: u64,
    pub(super) memory_used: u64,
    pub(super) memory_available: u64,
    pub(super) swap_total: u64,
    pub(super) swap_used: u64,
    /// Read and written.
    pub(super) disk: Option<[u64; 2]>,
    /// Received and sent.
    pub(super) net: Option<[u64; 2]>,
    pub(super) uptime: Option<u64>,
    pub(super) process_cpu: Option<f64>,
    pub(super) process_memory: Option<u64>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// Reads the counters that the first beat is compared with.
    ///
    /// # Errors
    /// A sentence: `sysinfo` cannot read this system.
    pub(super) fn new() -> Result<Host, String> {
        let now = Instant::now();
        let mut host = Host {
            system: System::new().map_err(|e| e.to_string())?,
            disks: Disks::new().ok(),
            networks: Networks::new().ok(),
            disk: Rates::new(now, []),
            net: Rates::new(now, []),
            process: sysinfo::get_current_pid().ok(),
            cpu_time: Rates::new(now, []),
        };
        host.read();
        Ok(host)
    }

    /// Reads everything. It may block: a disk that does not answer can stop it.
    pub(super) fn read(&mut self) -> Reading {
        let system = &mut self.system;
        // First of all, because it is the time of the CPUs that has to fit the beat's.
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        let own = self.process;
        if let Some(process) = own {
            let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
            let only = ProcessesToUpdate::Some(&[process]);
            system.refresh_processes_specifics(only, true, kind.without_tasks());
        }
        let all = MemoryRefreshKind::nothing().with_ram().with_swap();
        system.refresh_memory_specifics(all);
        let process = own.and_then(|process| system.process(process));
        let cpu_time = process.map(|process| ((), [process.accumulated_cpu_time(), 0]));
        let reading = Reading {
            cpu: f64::from(system.global_cpu_usage()),
            cores: system
                .cpus()
                .iter()
                .map(|cpu| f64::from(cpu.usage()))
                .collect(),
            load: load(),
            memory_total: system.total_memory(),
            memory_used: system.used_memory(),
            memory_available: system.available_memory(),
            swap_total: system.total_swap(),
            swap_used: system.used_swap(),
            uptime: System::uptime().ok(),
            // A thousand milliseconds a second are 100 per cent.
            process_cpu: process
                .and(self.cpu_time.next(Instant::now(), cpu_time))
                .map(|[used, _]| used as f64 / 10.0),
            process_memory: process.map(|process| process.memory()),
            ..Reading::default()
        };
        Reading {
            disk: self.disk(),
            net: self.net(),
            ..reading
        }
    }

    fn disk(&mut self) -> Option<[u64; 2]> {
        let disks = self.disks.as_mut()?;
        disks.refresh_specifics(true, DiskRefreshKind::nothing().with_io_usage());
        // A device can be mounted at many places, and has the same counters at all of them.
        let counters = disks.iter().map(|disk| {
            let usage = disk.usage();
            let counters = [usage.total_read_bytes, usage.total_written_bytes];
            (disk.name().to_owned(), counters)
        });
        self.disk.next(Instant::now(), counters)
    }

    fn net(&mut self) -> Option<[u64; 2]> {
        let networks = self.networks.as_mut()?;
        networks.refresh(true);
        let others = networks.iter().filter(|(_, network)| {
            let mut addresses = network.ip_networks().iter();
            !addresses.any(|network| network.addr.is_loopback())
        });
        let counters = others.map(|(name, network)| {
            let counters = [network.total_received(), network.total_transmitted()];
            (name.to_owned(), counters)
        });
        self.net.next(Instant::now(), counters)
    }
}

/// The load averages, where the system has them.
fn load() -> Option<[f64; 3]> {
    let load = System::load_average().ok().filter(|_| cfg!(unix))?;
    Some([load.one, load.five, load.fifteen])
}
