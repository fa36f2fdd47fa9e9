//! What an outage of the network takes, and what a power cut or an early signal would.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};

use crate::program::{Running, dumpstream, record, records, until};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_quiet_connection_survives_an_outage_as_long_as_keepalive_allows",
            &[tool("ip"), tool("nc"), two_namespaces()],
            outage,
        ),
        trial(
            "sync_full_asks_the_disk_before_it_answers",
            &[tool("strace"), traced()],
            synced,
        ),
        trial(
            "signals_are_handled_before_anyone_can_connect",
            &[tool("strace"), traced()],
            early,
        ),
    ]
}

fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// A sensor and a receiver, and a cable between them.
struct Cable {
    sensor: String,
    receiver: String,
}

impl Cable {
    fn new(what: &str) -> Result<Cable, String> {
        let id = std::process::id();
        let cable = Cable {
            sensor: format!("ds-{what}-s-{id}"),
            receiver: format!("ds-{what}-r-{id}"),
        };
        let Cable { sensor, receiver } = &cable;
        for words in [
            format!("netns add {sensor}"),
            format!("netns add {receiver}"),
            format!("-n {sensor} link add s0 type veth peer name r0 netns {receiver}"),
            format!("-n {sensor} addr add 198.51.100.1/24 dev s0"),
            format!("-n {receiver} addr add 198.51.100.2/24 dev r0"),
            format!("-n {sensor} link set s0 up"),
            format!("-n {receiver} link set r0 up"),
        ] {
            ip(&words)?;
        }
        Ok(cable)
    }

    fn link(&self, state: &str) -> Result<(), String> {
        ip(&format!("-n {} link set s0 {state}", self.sensor))
    }

    fn within(namespace: &str, command: &Command) -> Command {
        let mut within = Command::new("ip");
        within
            .args(["netns", "exec", namespace])
            .arg(command.get_program());
        within.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            within.current_dir(folder);
        }
        within
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.sensor, &self.receiver] {
            ip(&format!("netns del {namespace}")).ok();
        }
    }
}

fn two_namespaces() -> Result<(), String> {
    Cable::new("probe").map(drop)
}

/// The old setting, scaled down, lost the connection and all that came after.
fn outage() -> Result<(), Failed> {
    for (keepalive, survives) in [("1s", false), ("60s", true)] {
        let folder = tempfile::tempdir()?;
        let cable = Cable::new(keepalive)?;
        let listen = [
            "listen",
            "-k",
            "198.51.100.2:4444",
            "--allow",
            "198.51.100.0/24",
        ];
        let more = [
            "--keepalive",
            keepalive,
            "--flush-after",
            "50ms",
            "-o",
            "jsonl:out.jsonl",
        ];
        let program = dumpstream(folder.path(), &[&listen[..], &more].concat());
        let listening = Running::new(Cable::within(&cable.receiver, &program));
        listening.says("listening on 198.51.100.2:4444");
        let mut nc = Command::new("nc");
        nc.args(["198.51.100.2", "4444"]);
        let mut nc = Cable::within(&cable.sensor, &nc)
            .stdin(Stdio::piped())
            .spawn()?;
        let mut stdin = nc.stdin.take().expect("it is piped");
        let mut send = |n: usize| std::io::Write::write_all(&mut stdin, record(n).as_bytes());
        let lines = || {
            let text = std::fs::read_to_string(folder.path().join("out.jsonl"));
            text.map_or(0, |text| text.lines().count())
        };
        send(1)?;
        until("the first is here", || (lines() == 1).then_some(()));
        cable.link("down")?;
        if survives {
            // As long as the other one took to give up, and longer.
            sleep(Duration::from_secs(8));
        } else {
            listening.says("A connection ended early");
        }
        cable.link("up")?;
        // The sender retransmits when it likes to.
        send(2)?;
        if survives {
            until("the next one is here", || (lines() == 2).then_some(()));
            assert!(!listening.said().contains("ended early"));
        }
        end(&mut nc)?;
        stop(listening)?;
    }
    Ok(())
}

fn end(child: &mut Child) -> Result<(), Failed> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn stop(running: Running) -> Result<(), Failed> {
    running.signal("TERM");
    let (status, said) = running.end();
    match status.code() {
        Some(0) => Ok(()),
        _ => Err(said.into()),
    }
}

/// Whether processes may be traced here.
fn traced() -> Result<(), String> {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    match traced.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("strace may not trace".to_owned()),
    }
}

fn synced() -> Result<(), Failed> {
    for (output, synced) in [
        ("jsonl:out.jsonl", false),
        ("jsonl:out.jsonl?sync=full", true),
        ("csv:out.csv?sync=full", true),
        ("jsonl:out.jsonl?sync=full&rotate=1h", true),
        ("sqlite:out.db", false),
        ("sqlite:out.db?sync=full", true),
    ] {
        let folder = tempfile::tempdir()?;
        let parse = dumpstream(folder.path(), &["listen", "-k", "0", "-o", output]);
        let mut strace = Command::new("strace");
        strace
            .args([
                "-D",
                "-f",
                "-y",
                "-o",
                "trace",
                "-e",
                "trace=fsync,fdatasync,write,pwrite64,writev",
            ])
            .arg(parse.get_program())
            .args(parse.get_args())
            .current_dir(folder.path());
        let listening = Running::new(strace);
        let trace = || {
            let mut text = Vec::new();
            let file = std::fs::File::open(folder.path().join("trace"));
            file.and_then(|mut file| file.read_to_end(&mut text)).ok();
            String::from_utf8_lossy(&text).into_owned()
        };
        let syncs = || {
            trace()
                .lines()
                .filter(|line| line.contains("sync(") && line.contains("/out."))
                .count()
        };
        let address = listening.address();
        let before = syncs();
        let mut sender = std::net::TcpStream::connect(address)?;
        std::io::Write::write_all(&mut sender, records(3).as_bytes())?;
        drop(sender);
        // SIGUSR1 says what counts as written.
        until("they are written", || {
            listening.signal("USR1");
            listening.said().contains("3 packets written").then_some(())
        });
        let after = syncs();
        listening.signal("TERM");
        listening.end();
        if (after > before) != synced {
            return Err(format!("{output}: {before} and {after} syncs:\n{}", trace()).into());
        }
    }
    Ok(())
}

/// A signal ends the process without a report until it is handled; by then, nobody may have sent
/// anything.
fn early() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let listen = dumpstream(folder.path(), &["listen", "-k", "0", "-o", "null:"]);
    let mut strace = Command::new("strace");
    strace
        .args(["-D", "-f", "-o", "trace", "-e", "trace=rt_sigaction,listen"])
        .arg(listen.get_program())
        .args(listen.get_args())
        .current_dir(folder.path());
    let listening = Running::new(strace);
    listening.address();
    listening.signal("TERM");
    let (status, said) = listening.end();
    let trace = std::fs::read_to_string(folder.path().join("trace"))?;
    let at = |words: &str| {
        trace
            .find(words)
            .ok_or_else(|| format!("no {words} in:\n{trace}"))
    };
    match status.code() == Some(0) && at("rt_sigaction(SIGTERM, {")? < at("listen(")? {
        true => Ok(()),
        false => Err(format!("{said}\n{trace}").into()),
    }
}
