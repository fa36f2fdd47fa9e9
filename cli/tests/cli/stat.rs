//! What the kernel says of CPU time, read beside the program.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Units of the kernel's CPU times per second; it is the same on every Linux.
const TICKS: f64 = 100.0;

/// The busy and the whole time of all cores, in ticks, and when that was, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: f64,
    busy: f64,
    whole: f64,
}

impl Moment {
    fn now() -> Moment {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let text = fs::read_to_string("/proc/stat").unwrap();
        let numbers = text.lines().next().unwrap().split_whitespace().skip(1);
        let times: Vec<f64> = numbers.map(|n| n.parse().unwrap()).collect();
        // user nice system idle iowait irq softirq steal; guests are in user and nice.
        let whole: f64 = times[..8].iter().sum();
        Moment {
            at: at.as_secs_f64(),
            busy: whole - times[3] - times[4],
            whole,
        }
    }
}

/// Reads /proc/stat often, as long as it lives.
pub(crate) struct Watch {
    moments: Arc<Mutex<Vec<Moment>>>,
    ends: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        let watch = Watch {
            moments: Arc::new(Mutex::new(vec![Moment::now()])),
            ends: Arc::default(),
        };
        let (moments, ends) = (watch.moments.clone(), watch.ends.clone());
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                moments.lock().unwrap().push(Moment::now());
                thread::sleep(Duration::from_millis(10));
            }
        });
        watch
    }

    /// Busy time between two times, per cent of all cores.
    pub(crate) fn busy(&self, from: f64, to: f64) -> f64 {
        let moments = self.moments.lock().unwrap();
        let nearest = |time: f64| {
            let distance = |moment: &&Moment| (moment.at - time).abs();
            let nearest = moments
                .iter()
                .min_by(|a, b| distance(a).total_cmp(&distance(b)));
            *nearest.expect("it has begun")
        };
        let (from, to) = (nearest(from), nearest(to));
        (to.busy - from.busy) / (to.whole - from.whole) * 100.0
    }

    /// How long it has watched, in seconds.
    pub(crate) fn span(&self) -> f64 {
        let moments = self.moments.lock().unwrap();
        moments.last().unwrap().at - moments[0].at
    }

    pub(crate) fn cores(&self) -> usize {
        let text = fs::read_to_string("/proc/stat").unwrap();
        let core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        text.lines().filter(core).count()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// CPU time that a process has used, in seconds.
pub(crate) fn used(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which may have blanks.
    let (_, rest) = text.rsplit_once(") ").unwrap();
    let numbers: Vec<_> = rest.split(' ').collect();
    let ticks = |at: usize| numbers[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}

/// A process that burns one core.
pub(crate) struct Child(std::process::Child);

impl Child {
    pub(crate) fn burning() -> Child {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null());
        Child(shell.spawn().unwrap())
    }

    /// CPU time that it has used, in seconds.
    pub(crate) fn used(&self) -> f64 {
        used(self.0.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
