//! A real cluster on this machine: one node or three.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use given::Script;

/// What a single node has beside the script's settings: a limit that a row can break. Three nodes
/// have their own, since what mends a replica would break it too.
const SETTINGS: [&str; 1] = ["max_mutation_size: 64KiB"];

/// How long a node may take to start before the test fails.
const START: &str = "180";

/// The cluster, which all tests of this process share.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    nodes: u8,
    proxied: bool,
    /// Keyspaces given out.
    keyspaces: Cell<u32>,
}

pub(crate) fn script() -> Script {
    Script {
        file: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cassandra/cluster.sh"),
        data: (
            "CASS_DATA",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cassandra"),
        ),
    }
}

/// Whether a cluster can be started here, and if not, why.
pub(crate) fn available() -> Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    AVAILABLE.get_or_init(look).clone()
}

fn look() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("no Linux, which has 127.0.0.2 and 127.0.0.3".to_owned());
    }
    let number = given::java()?;
    if !["11.", "17."].iter().any(|v| number.starts_with(v)) {
        return Err(format!("java is {number}, and Cassandra needs 11 or 17"));
    }
    // Nodes of a run that was killed are ours to end.
    stop_all();
    for n in 1..=3 {
        if std::net::TcpStream::connect((format!("127.0.0.{n}"), 9042)).is_ok() {
            return Err(format!("127.0.0.{n}:9042 is taken"));
        }
    }
    script().install()
}

/// Ends every node.
pub(crate) fn stop_all() {
    script().stop_all();
}

/// Of a node behind a proxy: where it tells drivers that it is.
pub(crate) const PROXY: &str = "127.0.0.11";

/// A cluster of one or of three nodes, all up; the other one ends if it runs.
pub(crate) fn cluster(nodes: u8) -> MutexGuard<'static, Cluster> {
    shared(nodes, false)
}

/// One node that sends drivers to the proxy.
pub(crate) fn proxied() -> MutexGuard<'static, Cluster> {
    shared(1, true)
}

fn shared(nodes: u8, proxied: bool) -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Mutex::default);
    // A test that failed leaves a cluster that can be mended.
    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    if (cluster.nodes, cluster.proxied) != (nodes, proxied) {
        // All at once: a node that stays would remember the others.
        stop_all();
        cluster.nodes = nodes;
        cluster.proxied = proxied;
        for n in 1..=nodes {
            cluster.start(n);
        }
    } else {
        for n in 1..=nodes {
            script().run(&["resume", &n.to_string()]);
            if std::net::TcpStream::connect((format!("127.0.0.{n}"), 9042)).is_err() {
                script().run(&["kill", &n.to_string()]);
                cluster.start(n);
            }
        }
    }
    cluster
}

impl Cluster {
    /// A name that no test had before.
    pub(crate) fn keyspace(&self) -> String {
        self.keyspaces.set(self.keyspaces.get() + 1);
        format!("k{}", self.keyspaces.get())
    }

    /// The URL of a table, its parameters behind it.
    pub(crate) fn url(&self, keyspace: &str, parameters: &str) -> String {
        let hosts: Vec<_> = (1..=self.nodes).map(|n| format!("127.0.0.{n}")).collect();
        let copies = self.nodes;
        format!(
            "cassandra://{}/{keyspace}.packets?replication={copies}&{parameters}",
            hosts.join(",")
        )
    }

    /// Starts a node, and waits for it.
    pub(crate) fn start(&self, n: u8) {
        self.start_with(n, &[]);
    }

    /// Starts a node with more settings, and waits for it.
    pub(crate) fn start_with(&self, n: u8, more: &[&str]) {
        let n = n.to_string();
        let elsewhere = format!("broadcast_rpc_address: {PROXY}");
        let elsewhere = self.proxied.then_some(elsewhere.as_str());
        let limits = SETTINGS.iter().filter(|_| self.nodes == 1);
        let settings = limits.chain(more).copied().chain(elsewhere);
        let start = ["start", n.as_str()].into_iter().chain(settings);
        script().must(&start.collect::<Vec<_>>());
        script().must(&["wait", &n, START]);
    }

    /// Whoever comes next gets a new one.
    pub(crate) fn spoilt(&mut self) {
        stop_all();
        self.nodes = 0;
    }

    /// `kill -9`.
    pub(crate) fn kill(&self, n: u8) {
        script().must(&["kill", &n.to_string()]);
        script().must(&["gone", &n.to_string()]);
    }

    /// Asks a node to end.
    pub(crate) fn stop(&self, n: u8) {
        script().must(&["stop", &n.to_string()]);
        script().must(&["gone", &n.to_string()]);
    }

    /// Stops a node's process for a time.
    pub(crate) fn pause(&self, n: u8, time: Duration) {
        script().must(&["pause", &n.to_string()]);
        std::thread::sleep(time);
        script().must(&["resume", &n.to_string()]);
    }

    /// Stops two nodes' processes for a time.
    pub(crate) fn pause_two(&self, nodes: [u8; 2], time: Duration) {
        for n in nodes {
            script().must(&["pause", &n.to_string()]);
        }
        std::thread::sleep(time);
        for n in nodes {
            script().must(&["resume", &n.to_string()]);
        }
    }

    /// Waits until a node sees all of them, and none is down.
    pub(crate) fn settle(&self) {
        for _ in 0..120 {
            let status = script().run(&["nodetool", "1", "status"]);
            let status = String::from_utf8_lossy(&status.stdout).into_owned();
            let up = status.lines().filter(|l| l.starts_with("UN ")).count();
            if up == usize::from(self.nodes) {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        panic!("the cluster does not settle");
    }
}
