//! Real netcats as clients of `serve`, however they end, and what the real ones do in its place.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};

use crate::netcat::nc;
use crate::program::{Running, dumpstream, record, until};

/// Each client, as it is typed.
const CLIENTS: [(&str, &[&str]); 5] = [
    ("nc", &["nc", "HOST", "PORT"]),
    ("nc_N", &["nc", "-N", "HOST", "PORT"]),
    ("ncat", &["ncat", "HOST", "PORT"]),
    ("socat", &["socat", "-u", "TCP:HOST:PORT", "-"]),
    (
        "connect",
        &[
            "dumpstream",
            "connect",
            "--no-retry",
            "HOST",
            "PORT",
            "--raw",
            "-o",
            "jsonl:-",
        ],
    ),
];

/// How a client ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The text ends.
    Eof,
    /// Its process ends in order, and closes the connection.
    Fin,
    /// It is killed with unread text, which resets the connection.
    Rst,
    /// It is killed.
    Kill,
    /// It is stopped, and never goes on.
    Silence,
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, words) in CLIENTS {
        let needs = match words[0] {
            "nc" => nc(),
            "dumpstream" => Ok(()),
            other => tool(other),
        };
        for end in [End::Eof, End::Fin, End::Rst, End::Kill, End::Silence] {
            let name = format!("serve_to_{name}_until_{end:?}").to_lowercase();
            trials.push(trial(&name, &[needs.clone(), tool("kill")], move || {
                served(words, end)
            }));
        }
    }
    trials.push(trial(
        "nc_lk_serves_one_client_only",
        &[nc()],
        nc_serves_one,
    ));
    trials.push(trial(
        "ncat_lk_waits_for_a_stalled_client_and_serve_does_not",
        &[tool("ncat")],
        ncat_waits_for_a_stalled_client,
    ));
    trials
}

/// A process that does not outlive its test, and what it writes.
struct Client {
    child: Child,
    output: PathBuf,
    /// Whether its output is rows with the text in `raw`.
    typed: bool,
}

impl Client {
    fn start(folder: &Path, words: &[&str], address: SocketAddr) -> Result<Client, Failed> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("HOST", &host).replace("PORT", &port))
            .collect();
        let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let ours = words[0] == "dumpstream";
        let mut command = match ours {
            true => dumpstream(folder, &rest),
            false => {
                let mut command = Command::new(&words[0]);
                command.args(rest);
                command
            }
        };
        let output = folder.join("output");
        // A stdin that stays open: a user at a terminal.
        let child = command
            .stdin(Stdio::piped())
            .stdout(File::create(&output)?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Client {
            child,
            output,
            typed: ours,
        })
    }

    /// The text that it has written.
    fn text(&self) -> String {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        if !self.typed {
            return text;
        }
        let rows = text.split_inclusive('\n').filter(|row| row.ends_with('\n'));
        let raw = rows.map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).expect(row);
            row["raw"].as_str().expect("--raw").to_owned()
        });
        raw.collect()
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), self.child.id().to_string()]);
        assert!(kill.status().expect("kill runs").success());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `serve`, and the text that it is given.
struct Server {
    running: Running,
    address: SocketAddr,
    stdin: ChildStdin,
    text: String,
    records: usize,
}

impl Server {
    fn start(folder: &Path, arguments: &[&str]) -> Server {
        let mut command = dumpstream(folder, &[&["serve", "0", "-v"], arguments].concat());
        command.stdin(Stdio::piped());
        let mut running = Running::new(command);
        let stdin = running.stdin();
        let said = running.says("serving ");
        let after = said.split(" on ").nth(1).expect("where it listens");
        let address = after.lines().next().expect("a line").parse();
        Server {
            running,
            address: address.expect("an address"),
            stdin,
            text: String::new(),
            records: 0,
        }
    }

    fn accepted(&self, clients: usize) {
        until("the clients are accepted", || {
            let said = self.running.said();
            (said.matches("Accepted a connection.").count() == clients).then_some(())
        });
    }

    fn write(&mut self, records: usize) -> Result<(), Failed> {
        let text: String = (self.records..self.records + records).map(record).collect();
        self.records += records;
        self.stdin.write_all(text.as_bytes())?;
        self.text += &text;
        Ok(())
    }
}

/// A client that ends in some way gets the text up to there, byte for byte, and another one gets all
/// of it.
fn served(words: &[&str], end: End) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut options = vec![
        "--flush-after",
        "20ms",
        "--sndbuf",
        "16K",
        "--drain-timeout",
        "500ms",
    ];
    // One that is stopped has to be skipped; one that gets everything may take its time.
    options.extend([
        "--buffer",
        if matches!(end, End::Eof) { "64M" } else { "1M" },
    ]);
    let mut server = Server::start(folder.path(), &options);
    let other = TcpStream::connect(server.address)?;
    let mut client = Client::start(folder.path(), words, server.address)?;
    server.accepted(2);
    let got = Arc::new(AtomicUsize::new(0));
    let reader = {
        let got = Arc::clone(&got);
        thread::spawn(move || read(other, &got))
    };
    server.write(1000)?;
    let text = server.text.clone();
    until("the client has all", || {
        (client.text() == text).then_some(())
    });
    match end {
        End::Eof => {}
        End::Fin => client.signal("TERM"),
        End::Kill => client.signal("KILL"),
        End::Rst | End::Silence => client.signal("STOP"),
    }
    if matches!(end, End::Fin | End::Kill) {
        client.child.wait()?;
    }
    // More than a stopped client's buffers and the ring hold.
    for _ in 0..60 {
        server.write(1000)?;
        let all = server.text.len();
        until("another client has all", || {
            (got.load(Relaxed) == all).then_some(())
        });
    }
    if let End::Rst = end {
        until("its text is unread", || {
            (unread(client.child.id()) != Some(0)).then_some(())
        });
        client.signal("KILL");
        client.child.wait()?;
    }
    if matches!(end, End::Fin | End::Kill | End::Rst) {
        until("its leave is noticed", || {
            server.write(1).ok()?;
            let said = server.running.said();
            said.contains("A client disconnected.").then_some(())
        });
    }
    let (text, early) = (server.text.clone(), text);
    drop(server.stdin);
    let read = reader.join().expect("no panic")?;
    if read != text.as_bytes() {
        return Err(format!("another client got {} bytes of {}", read.len(), text.len()).into());
    }
    if let End::Eof = end {
        until("the client has all", || {
            (client.text() == text).then_some(())
        });
    }
    let got = client.text();
    let (status, said) = server.running.end();
    if !text.starts_with(&got) || got.len() < early.len() {
        return Err(format!("{end:?}: {} bytes, not a beginning of the text", got.len()).into());
    }
    let code = match end {
        // What the stopped client did not take.
        End::Silence => Some(5),
        _ => Some(0),
    };
    match status.code() == code {
        true => Ok(()),
        false => Err(format!("{status}: {said}").into()),
    }
}

/// Reads to the end, and counts meanwhile.
fn read(mut socket: TcpStream, got: &AtomicUsize) -> std::io::Result<Vec<u8>> {
    let (mut all, mut buf) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match socket.read(&mut buf)? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
        got.store(all.len(), Relaxed);
    }
}

/// How many bytes wait in the kernel for a process's only connection.
fn unread(id: u32) -> Option<u64> {
    let links = fs::read_dir(format!("/proc/{id}/fd")).ok()?;
    let sockets: Vec<String> = links
        .filter_map(|link| {
            let link = fs::read_link(link.ok()?.path()).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let queued = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let queued = words.get(4)?.split_once(':')?.1;
        sockets
            .iter()
            .any(|inode| words.get(9) == Some(&inode.as_str()))
            .then(|| u64::from_str_radix(queued, 16).ok())?
    });
    Some(queued.sum())
}

fn free() -> Result<SocketAddr, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn connected(address: SocketAddr) -> TcpStream {
    until("it listens", || TcpStream::connect(address).ok())
}

/// What `serve` is for: of two clients of `nc -lk` one gets everything.
fn nc_serves_one() -> Result<(), Failed> {
    let address = free()?;
    let mut nc = Command::new("nc");
    let nc = nc.args(["-lk", "127.0.0.1", &address.port().to_string()]);
    let mut nc = Guard(nc.stdin(Stdio::piped()).spawn()?);
    let (mut first, second) = (connected(address), connected(address));
    let text: String = (0..100).map(record).collect();
    let mut stdin = nc.0.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes())?;
    let mut got = vec![0; text.len()];
    first.read_exact(&mut got)?;
    assert_eq!(got, text.as_bytes());
    second.set_nonblocking(true)?;
    let nothing = second.peek(&mut [0; 1]).map_err(|error| error.kind());
    match nothing {
        Err(ErrorKind::WouldBlock) => Ok(()),
        other => Err(format!("the second client: {other:?}").into()),
    }
}

/// A child that does not outlive its test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// One client that reads nothing: `ncat -lk` stops for all, `serve` goes on.
fn ncat_waits_for_a_stalled_client() -> Result<(), Failed> {
    let text: Arc<str> = (0..80_000).map(record).collect::<String>().into();
    let read = |mut stdin: ChildStdin, address: SocketAddr, connected: &dyn Fn()| {
        let _stalled = self::connected(address);
        let reader = self::connected(address);
        connected();
        let text = Arc::clone(&text);
        let all = text.len();
        let feeder = thread::spawn(move || stdin.write_all(text.as_bytes()).map(|()| stdin));
        let got = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&got);
        let counter = thread::spawn(move || self::read(reader, &counted));
        // All of it, or no more for a while.
        let (mut last, mut since) = (0, Instant::now());
        while last < all && since.elapsed() < Duration::from_secs(3) {
            thread::sleep(Duration::from_millis(20));
            let now = got.load(Relaxed);
            if now > last {
                (last, since) = (now, Instant::now());
            }
        }
        drop((feeder, counter));
        last
    };
    let address = free()?;
    let mut ncat = Command::new("ncat");
    let ncat = ncat.args(["-lk", "127.0.0.1", &address.port().to_string()]);
    let mut ncat = Guard(ncat.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?);
    let stdin = ncat.0.stdin.take().expect("it is piped");
    let theirs = read(stdin, address, &|| {
        thread::sleep(Duration::from_millis(200))
    });
    drop(ncat);
    let folder = tempfile::tempdir()?;
    // All of the text fits: no client is too slow.
    let mut command = dumpstream(folder.path(), &["serve", "0", "-v", "--buffer", "64M"]);
    command.stdin(Stdio::piped());
    let mut running = Running::new(command);
    let stdin = running.stdin();
    let said = running.says("serving ");
    let address = said.split(" on ").nth(1).and_then(|a| a.lines().next());
    let address = address.expect("where it listens").parse()?;
    let accepted = || {
        until("both are accepted", || {
            let said = running.said();
            (said.matches("Accepted a connection.").count() == 2).then_some(())
        });
    };
    let ours = read(stdin, address, &accepted);
    eprintln!("of {} bytes: ncat {theirs}, serve {ours}", text.len());
    match theirs < text.len() && ours == text.len() {
        true => Ok(()),
        false => Err(format!("of {} bytes: ncat {theirs}, serve {ours}", text.len()).into()),
    }
}
