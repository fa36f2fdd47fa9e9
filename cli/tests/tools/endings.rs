//! Every netcat as a sender and as a server, with every way in which a connection ends: each whole
//! record that was sent is stored byte for byte, one that was cut is marked, and nothing is joined
//! with the bytes of another connection.
//!
//! The tables also have what the tools do wrong, as far as it can be seen from outside.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};
use socket2::SockRef;
use tempfile::TempDir;

use crate::netcat::nc;
use crate::program::{Running, dumpstream, record, until};

/// Records of one connection: what one read of every tool takes.
const RECORDS: usize = 20;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The sender's input ends in the midst of a record.
    Fin,
    /// A hop in between, as a NAT that has forgotten the connection, resets it. No netcat does.
    Reset,
    /// `kill -9` of the sender in the midst of a record.
    Kill,
    /// Nothing comes any more.
    Silence,
}

const ENDS: [End; 4] = [End::Fin, End::Reset, End::Kill, End::Silence];

struct Tool {
    name: &'static str,
    words: &'static [&'static str],
    /// The end of its input ends the connection. OpenBSD's nc without `-N` waits for us for ever.
    closes: bool,
    /// How it ends after a reset. With 0 a script takes lost records for sent ones.
    reset: Ended,
    /// It sends whole records only, and so holds the last one back until its input goes on or ends.
    whole: bool,
}

/// When a tool ends after a reset, and with which code.
#[derive(Clone, Copy)]
enum Ended {
    AtOnce(i32),
    /// Until there is more to send it does not look at the connection.
    WithMore(i32),
}

const SENDERS: [Tool; 6] = [
    Tool {
        name: "nc",
        words: &["nc", "HOST", "PORT"],
        closes: false,
        reset: Ended::AtOnce(0),
        whole: false,
    },
    Tool {
        name: "nc_N",
        words: &["nc", "-N", "HOST", "PORT"],
        closes: true,
        reset: Ended::AtOnce(0),
        whole: false,
    },
    Tool {
        name: "ncat",
        words: &["ncat", "HOST", "PORT"],
        closes: true,
        reset: Ended::AtOnce(1),
        whole: false,
    },
    Tool {
        name: "socat",
        words: &["socat", "-", "TCP:HOST:PORT"],
        closes: true,
        reset: Ended::AtOnce(0),
        whole: false,
    },
    Tool {
        name: "bash",
        words: &["bash", "-c", "exec cat >/dev/tcp/HOST/PORT"],
        closes: true,
        reset: Ended::WithMore(1),
        whole: false,
    },
    Tool {
        name: "replay",
        words: &[REPLAY, "replay", "-q", "--topspeed", "-", "HOST", "PORT"],
        closes: true,
        reset: Ended::WithMore(1),
        whole: true,
    },
];

const REPLAY: &str = env!("CARGO_BIN_EXE_dumpstream");

/// Servers of one connection.
const SERVERS: [Tool; 4] = [
    Tool {
        name: "nc",
        words: &["nc", "-l", "HOST", "PORT"],
        closes: false,
        reset: Ended::AtOnce(0),
        whole: false,
    },
    Tool {
        name: "nc_N",
        words: &["nc", "-N", "-l", "HOST", "PORT"],
        closes: true,
        reset: Ended::AtOnce(0),
        whole: false,
    },
    Tool {
        name: "ncat",
        words: &["ncat", "-l", "HOST", "PORT"],
        closes: true,
        reset: Ended::AtOnce(1),
        whole: false,
    },
    Tool {
        name: "socat",
        words: &["socat", "-", "TCP-LISTEN:PORT,bind=HOST,reuseaddr"],
        closes: true,
        reset: Ended::AtOnce(0),
        whole: false,
    },
];

pub(crate) fn trials() -> Vec<Trial> {
    let needs = |tool_of: &Tool| match tool_of.words[0] {
        REPLAY => Ok(()),
        "nc" => nc(),
        other => tool(other),
    };
    let senders = SENDERS.iter().map(|sender| {
        let name = format!("{}_to_listen_whatever_its_end", sender.name);
        trial(&name, &[needs(sender)], || to_listen(sender))
    });
    let servers = SERVERS.iter().map(|server| {
        let name = format!("{}_to_connect_whatever_its_end", server.name);
        trial(&name, &[needs(server)], || to_connect(server))
    });
    senders.chain(servers).collect()
}

/// The whole records of a connection, and one that is cut in its second line.
fn text(end: End) -> (Vec<String>, String) {
    let from = end as usize * 1000;
    let whole = (from..from + RECORDS).map(record).collect();
    let mut cut = match end {
        End::Silence => String::new(),
        _ => record(from + RECORDS),
    };
    cut.truncate(cut.len().saturating_sub(9));
    (whole, cut)
}

/// A tool that runs, and its input.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts it with an input that does not end.
    fn start(tool: &Tool, address: SocketAddr, input: &str) -> Result<Process, Failed> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let words = tool.words.iter();
        let mut words = words.map(|w| w.replace("HOST", &host).replace("PORT", &port));
        let mut command = Command::new(words.next().expect("a tool has a name"));
        command.args(words).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes())?;
        let stdin = Some(stdin);
        Ok(Process { child, stdin })
    }

    fn is_running(&mut self) -> Result<bool, Failed> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end, by itself or with more input.
    fn ended(&mut self, more: bool) -> Option<i32> {
        let status = until("the tool has ended", || {
            if let (true, Some(stdin)) = (more, &mut self.stdin) {
                // A pipe that nobody reads any more: it is about to end.
                stdin.write_all(record(7).as_bytes()).ok();
            }
            self.child.try_wait().expect("it is our child")
        });
        status.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL. It may have ended; either way it is gone afterwards.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Passes bytes on, in one direction.
struct Hop {
    address: SocketAddr,
    pair: JoinHandle<(TcpStream, TcpStream, JoinHandle<()>)>,
}

impl Hop {
    /// From the one that connects to `to`, or from there to the one that connects.
    fn new(to: SocketAddr, back: bool) -> Result<Hop, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let pair = thread::spawn(move || {
            let (near, _) = listener.accept().expect("somebody connects");
            let far = until("a server listens", || TcpStream::connect(to).ok());
            let (from, to) = if back { (&far, &near) } else { (&near, &far) };
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            // It ends with the reset.
            let copying = thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
            (near, far, copying)
        });
        Ok(Hop { address, pair })
    }

    /// Resets both connections.
    fn reset(self) -> Result<(), Failed> {
        let (near, far, copying) = self.pair.join().map_err(|_| "the hop has failed")?;
        for socket in [&near, &far] {
            SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
            // The other thread, which holds the sockets, too, ends. One may have ended already.
            socket.shutdown(Shutdown::Read).ok();
        }
        copying.join().map_err(|_| "the hop has failed")?;
        Ok(())
    }
}

/// The rows of the receiver's file: stream, text, whether it was cut.
fn rows(file: &Path) -> Vec<(String, String, bool)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be in the making.
    let lines = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect(line);
        let text = |name: &str| row[name].as_str().expect(line).to_owned();
        (text("stream"), text("raw"), row["truncated"] == true)
    };
    lines.map(row).collect()
}

/// Waits until so many records of a text are stored.
fn stored(file: &Path, whole: &[String], n: usize) {
    until(&format!("{n} records are stored"), || {
        let rows = rows(file);
        let ours = rows.iter().filter(|(_, raw, _)| whole.contains(raw));
        (ours.count() == n).then_some(())
    });
}

/// Holds what was stored of one connection to what was sent.
fn same(file: &Path, end: End, n: usize, cut: bool) -> Result<(), Failed> {
    let (whole, part) = text(end);
    let rows = rows(file);
    let first = rows.iter().find(|(_, raw, _)| *raw == whole[0]);
    let stream = &first.ok_or("nothing was stored")?.0;
    let rows: Vec<_> = rows.iter().filter(|(s, ..)| s == stream).collect();
    let (got, last) = rows.split_at(n.min(rows.len()));
    if !got
        .iter()
        .map(|row| (&row.1, row.2))
        .eq(whole[..n].iter().map(|r| (r, false)))
    {
        return Err(format!("{end:?}: not the {n} records that were sent: {rows:#?}").into());
    }
    match last {
        [] if !cut => Ok(()),
        [(_, raw, true)] if cut && part.starts_with(raw) => Ok(()),
        _ => Err(format!("{end:?}: behind the whole records: {last:#?}").into()),
    }
}

/// A receiver, and its file.
fn receiver(arguments: &[&str]) -> Result<(TempDir, PathBuf, Running), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("out.jsonl");
    let all = [arguments, &["-o", "jsonl:out.jsonl", "--raw"]].concat();
    let running = Running::new(dumpstream(folder.path(), &all));
    Ok((folder, file, running))
}

fn to_listen(sender: &Tool) -> Result<(), Failed> {
    let (_folder, file, listening) = receiver(&["listen", "-k", "0"])?;
    let address = listening.address();
    for end in ENDS {
        let hop = match end {
            End::Reset => Some(Hop::new(address, false)?),
            _ => None,
        };
        let (whole, cut) = text(end);
        let to = hop.as_ref().map_or(address, |hop| hop.address);
        let mut process = Process::start(sender, to, &(whole.concat() + &cut))?;
        let held = usize::from(sender.whole && cut.is_empty());
        stored(&file, &whole, RECORDS - held);
        ended(sender, &mut process, end, hop)?;
    }
    listening.signal("TERM");
    let (status, said) = listening.end();
    if status.code() != Some(0) {
        return Err(format!("listen ended with {status}: {said}").into());
    }
    for end in ENDS {
        let held = usize::from(sender.whole && end == End::Silence);
        let cut = match end {
            End::Fin => true,
            End::Silence => false,
            End::Reset | End::Kill => !sender.whole,
        };
        same(&file, end, RECORDS - held, cut)?;
    }
    Ok(())
}

fn to_connect(server: &Tool) -> Result<(), Failed> {
    for end in ENDS {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let hop = match end {
            End::Reset => Some(Hop::new(address, true)?),
            _ => None,
        };
        let (whole, cut) = text(end);
        let mut process = Process::start(server, address, &(whole.concat() + &cut))?;
        let to = hop.as_ref().map_or(address, |hop| hop.address).to_string();
        let (_folder, file, connecting) = receiver(&["connect", &to])?;
        stored(&file, &whole, RECORDS);
        ended(server, &mut process, end, hop)?;
        drop(process);
        if !cut.is_empty() {
            let all = || (rows(&file).len() > RECORDS).then_some(());
            until("the record that was cut is stored", all);
        }
        connecting.signal("TERM");
        let (status, said) = connecting.end();
        if status.code() != Some(0) {
            return Err(format!("{end:?}: connect ended with {status}: {said}").into());
        }
        same(&file, end, RECORDS, !cut.is_empty())?;
    }
    Ok(())
}

/// Ends a connection, and holds the tool to what is known of it. It is killed where it stays.
fn ended(tool: &Tool, process: &mut Process, end: End, hop: Option<Hop>) -> Result<(), Failed> {
    let (code, expected) = match (end, hop, tool.reset) {
        (End::Fin, ..) => {
            process.stdin = None;
            if !tool.closes {
                return match process.is_running()? {
                    true => Ok(()),
                    false => Err("it closes by itself".into()),
                };
            }
            (process.ended(false), 0)
        }
        (End::Reset, Some(hop), Ended::AtOnce(code)) => {
            hop.reset()?;
            (process.ended(false), code)
        }
        (End::Reset, Some(hop), Ended::WithMore(code)) => {
            hop.reset()?;
            (process.ended(true), code)
        }
        _ => {
            return match process.is_running()? {
                true => Ok(()),
                false => Err(format!("{end:?}: it has ended by itself").into()),
            };
        }
    };
    match code == Some(expected) {
        true => Ok(()),
        false => Err(format!("{end:?}: it ended with {code:?}, not {expected}").into()),
    }
}
