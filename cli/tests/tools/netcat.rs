//! Real netcats and a real tcpdump, from and to us.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dumpstream::framing::{CutKind, Framer, Tail};
use dumpstream_flow::net::{Access, Listener, Outcome, Retry};
use given::{tool, trial};
use libtest_mimic::{Failed, Trial};
use tokio::net::TcpStream;

use crate::namespace::{Namespace, checked, namespaces, root};
use crate::receiver::{Connecting, HANG, Intake, Listening, between, record, send};

pub(crate) fn trials() -> Vec<Trial> {
    let push: [(&'static str, &'static [&'static str]); 5] = [
        ("nc", &["nc", "-N", "HOST", "PORT"]),
        ("ncat", &["ncat", "--send-only", "HOST", "PORT"]),
        ("socat", &["socat", "-u", "-", "TCP:HOST:PORT"]),
        ("nc_q", &["nc", "-q", "0", "HOST", "PORT"]),
        ("bash", &["bash", "-c", "cat >/dev/tcp/HOST/PORT"]),
    ];
    let serve: [(&'static str, &'static [&'static str]); 4] = [
        ("nc", &["nc", "-N", "-lk", "HOST", "PORT"]),
        ("nc_once", &["nc", "-N", "-l", "HOST", "PORT"]),
        ("ncat", &["ncat", "-l", "--send-only", "HOST", "PORT"]),
        (
            "socat",
            &["socat", "-u", "-", "TCP-LISTEN:PORT,bind=HOST,reuseaddr"],
        ),
    ];
    let mut trials = Vec::new();
    let needs = |name| if name == "nc" { nc() } else { tool(name) };
    for (name, command) in push {
        trials.push(trial(
            &format!("{name}_to_listen"),
            &[needs(command[0])],
            || pushed(command),
        ));
    }
    for (name, command) in serve {
        trials.push(trial(
            &format!("{name}_to_connect"),
            &[needs(command[0])],
            || served(command),
        ));
    }
    let tcpdump = || tool("tcpdump");
    trials.extend([
        trial(
            "ipv4_senders_of_a_listener_on_ipv6_are_ipv4",
            &[ipv6()],
            || {
                block_on(ipv4_senders_of_a_listener_on_ipv6_are_ipv4());
                Ok(())
            },
        ),
        trial(
            "nc_that_never_closes_to_listen",
            &[nc()],
            nc_that_never_closes,
        ),
        trial("connect_comes_back_to_nc", &[nc()], connect_comes_back),
        trial(
            "tcpdump_of_a_file_to_nc_to_listen",
            &[nc(), tcpdump()],
            tcpdump_of_a_file,
        ),
        trial(
            "tcpdump_over_veth_to_nc_to_listen",
            &[
                nc(),
                tcpdump(),
                tool("tcpreplay"),
                tool("ip"),
                tool("kill"),
                namespaces(),
            ],
            || over_veth(Way::Push),
        ),
        trial(
            "tcpdump_over_veth_to_nc_to_connect",
            &[
                nc(),
                tcpdump(),
                tool("tcpreplay"),
                tool("ip"),
                tool("kill"),
                namespaces(),
            ],
            || over_veth(Way::Serve),
        ),
        trial(
            "tcpdump_of_its_own_connection",
            &[nc(), tcpdump(), capture_on_loopback()],
            tcpdump_of_its_own_connection,
        ),
    ]);
    trials
}

// What a test needs.

/// The nc of OpenBSD, which the option names are of; other systems have another.
pub(crate) fn nc() -> Result<(), String> {
    tool("nc")?;
    let help = Command::new("nc")
        .arg("-h")
        .output()
        .map_err(|error| format!("nc: {error}"))?;
    let help = [help.stdout, help.stderr].concat();
    match String::from_utf8_lossy(&help).contains("after EOF on stdin") {
        true => Ok(()),
        false => Err("nc is not OpenBSD's".to_owned()),
    }
}

/// A kernel without IPv6 has no listener on it.
fn ipv6() -> Result<(), String> {
    TcpListener::bind("[::]:0")
        .map(drop)
        .map_err(|e| format!("no IPv6: {e}"))
}

fn capture_on_loopback() -> Result<(), String> {
    root()?;
    tool("tcpdump")?;
    let listed = Command::new("tcpdump")
        .arg("-D")
        .output()
        .map_err(|error| error.to_string())?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    if listed.lines().any(|line| line.contains(".lo ")) {
        Ok(())
    } else {
        Err("no lo".to_owned())
    }
}

// What runs.

/// A process that does not outlive its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Process, Failed> {
        let name = command.get_program().to_owned();
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", name.display()))?;
        Ok(Process(child))
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self) -> Result<(), Failed> {
        let start = Instant::now();
        while self.0.try_wait()?.is_none() {
            if start.elapsed() > HANG {
                return Err("it does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(crate) fn interrupt(&self) -> Result<(), Failed> {
        checked(
            Command::new("kill")
                .arg("-INT")
                .arg(self.0.id().to_string()),
        )?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; either way it is gone afterwards.
        if self.0.kill().is_ok() {
            self.0.wait().ok();
        }
    }
}

/// A command with the address filled in.
fn command(words: &[&str], address: SocketAddr) -> Command {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut words = words
        .iter()
        .map(|word| word.replace("HOST", &host).replace("PORT", &port));
    let mut command = Command::new(words.next().expect("a command has a name"));
    command.args(words).stdout(Stdio::null());
    command
}

pub(crate) fn capture() -> PathBuf {
    given::sample("4.99.3/mix/replay.pcap")
}

/// What `tcpdump -r` prints of the capture that the samples come with.
pub(crate) fn recorded(options: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new("tcpdump");
    command.args(options).arg("-r").arg(capture());
    let text = String::from_utf8(checked(&mut command)?.stdout)?;
    if text.is_empty() {
        return Err("tcpdump printed nothing".into());
    }
    Ok(text)
}

/// The records of a text, each without its stamp.
fn without_stamps(text: &str) -> Vec<String> {
    let (mut framer, mut rest, mut records) = (Framer::new(), text, Vec::new());
    while let Some(cut) = framer.next(rest.as_bytes(), Tail::Final) {
        let (record, after) = rest.split_at(cut.len);
        assert_eq!(cut.kind, CutKind::Records);
        records.push(
            record
                .split_once(' ')
                .expect("a stamp and a blank")
                .1
                .to_owned(),
        );
        rest = after;
    }
    records
}

fn free_address() -> Result<SocketAddr, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}

/// Records of our own, where no tool is there to print some.
fn text(from: usize, n: usize) -> String {
    (from..from + n).map(|i| record(0, i)).collect()
}

fn file(text: &str) -> Result<File, Failed> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    // Opened anew, so that it is read from its beginning.
    Ok(File::open(file.path())?)
}

/// Holds the records to the text, and the figures to one another.
fn same(intake: &Intake, outcome: &Outcome, text: &str) -> Result<(), Failed> {
    if let Some(error) = &outcome.error {
        return Err(error.to_string().into());
    }
    let got = intake.recorder.texts().concat();
    if got != text {
        return Err(format!("{} bytes of {} came as they were", got.len(), text.len()).into());
    }
    if outcome.summary.truncated > 0 || outcome.summary.skipped.total() > 0 {
        return Err(outcome.to_string().into());
    }
    Ok(())
}

// The tests.

async fn ipv4_senders_of_a_listener_on_ipv6_are_ipv4() {
    let access: Access = "127.0.0.0/8".parse().unwrap();
    let listener = Listener::bind("[::]:0".parse().unwrap(), access, 2).unwrap();
    let listening = Listening::on(listener, Intake::new(), true);
    let tcp = TcpStream::connect(("127.0.0.1", listening.address.port()))
        .await
        .unwrap();
    let own = between(tcp.local_addr().unwrap(), tcp.peer_addr().unwrap());
    send(tcp, &own).await;
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.summary.records, outcome.summary.own), (1, 1));
    assert_eq!(
        intake.recorder.rows.lock().unwrap()[0].sensor(),
        "127.0.0.1"
    );
}

/// `… | nc HOST PORT` into `listen`.
fn pushed(words: &[&str]) -> Result<(), Failed> {
    let text = text(0, 2000);
    block_on(async {
        let listening = Listening::start(Intake::new(), false);
        let mut sender = command(words, listening.address);
        let mut sender = Process::start(sender.stdin(file(&text)?))?;
        tokio::task::block_in_place(|| sender.wait())?;
        let (outcome, intake) = listening.ended().await;
        same(&intake, &outcome, &text)
    })
}

/// `… | nc -l PORT`, and `connect` to it.
fn served(words: &[&str]) -> Result<(), Failed> {
    let text = text(0, 2000);
    block_on(async {
        let address = free_address()?;
        let mut server = command(words, address);
        let _server = Process::start(server.stdin(file(&text)?))?;
        let connecting = Connecting::start(address, soon());
        connecting
            .intake
            .until("all is here", |intake| intake.recorder.len() >= 1999)
            .await;
        // Its end, or, of a server that stays, ours.
        tokio::time::sleep(Duration::from_millis(100)).await;
        connecting.cancel.cancel();
        let (outcome, intake) = connecting.end().await;
        same(&intake, &outcome, &text)
    })
}

fn soon() -> Retry {
    Retry::new().spans(Duration::from_millis(20), Duration::from_millis(100))
}

/// OpenBSD's nc without `-N` sends no FIN at the end of its stdin, ever.
fn nc_that_never_closes() -> Result<(), Failed> {
    let text = text(0, 50);
    block_on(async {
        let listening = Listening::start(Intake::flushing_after(50), false);
        let mut sender = command(&["nc", "HOST", "PORT"], listening.address);
        let mut sender = Process::start(sender.stdin(file(&text)?))?;
        listening
            .intake
            .until("the last is here", |intake| intake.recorder.len() == 50)
            .await;
        if sender.0.try_wait()?.is_some() {
            return Err("this nc closes by itself".into());
        }
        let (outcome, intake) = listening.end().await;
        same(&intake, &outcome, &text)?;
        // We have ended the connection: that it understands.
        tokio::task::block_in_place(|| sender.wait())
    })
}

/// A server that is gone after each connection, and is started again.
fn connect_comes_back() -> Result<(), Failed> {
    block_on(async {
        let address = free_address()?;
        let connecting = Connecting::start(address, soon());
        for i in 0..3 {
            let mut server = command(&["nc", "-N", "-l", "HOST", "PORT"], address);
            let mut server = Process::start(server.stdin(file(&text(i * 10, 10))?))?;
            tokio::task::block_in_place(|| server.wait())?;
        }
        connecting
            .intake
            .until("all is here", |intake| intake.recorder.len() == 30)
            .await;
        connecting.cancel.cancel();
        let (outcome, intake) = connecting.end().await;
        same(&intake, &outcome, &text(0, 30))?;
        let mut streams: Vec<_> = intake.recorder.records().into_iter().map(|r| r.0).collect();
        streams.dedup();
        if streams.len() != 3 {
            Err("not a stream for each connection".into())
        } else {
            Ok(())
        }
    })
}

/// `tcpdump -r FILE | nc`, in each form that is typed.
fn tcpdump_of_a_file() -> Result<(), Failed> {
    for options in [
        "-nn",
        "-nn -v",
        "-nn -vvv -e -tttt",
        "-nn -v -X -tt -#",
        "-nn -v --nano",
    ] {
        let options: Vec<_> = options.split(' ').collect();
        let text = recorded(&options)?;
        block_on(async {
            let listening = Listening::start(Intake::new(), false);
            let mut tcpdump = Command::new("tcpdump");
            tcpdump.args(&options).arg("-l").arg("-r").arg(capture());
            tcpdump.stdout(Stdio::piped()).stderr(Stdio::null());
            let mut tcpdump = Process::start(&mut tcpdump)?;
            let mut nc = command(&["nc", "-N", "HOST", "PORT"], listening.address);
            let mut nc = Process::start(nc.stdin(tcpdump.0.stdout.take().expect("it is piped")))?;
            tokio::task::block_in_place(|| tcpdump.wait().and_then(|()| nc.wait()))?;
            let (outcome, intake) = listening.ended().await;
            same(&intake, &outcome, &text)
        })?;
    }
    Ok(())
}

/// Which side opens the connection.
#[derive(Clone, Copy)]
enum Way {
    Push,
    Serve,
}

/// A capture of live traffic: tcpreplay at one end of a cable, tcpdump at the other. Every record
/// must be the one that `tcpdump -r` prints, but for its stamp.
fn over_veth(way: Way) -> Result<(), Failed> {
    let mut expected = without_stamps(&recorded(&["-nn", "-v"])?);
    // A frame that ends within its VLAN tag gets no further than the cable's end: the kernel takes
    // the tag off before anybody sees the frame (`skb_vlan_untag`), and drops what is too short.
    expected.retain(|record| record.trim() != "[|vlan]");
    let namespace = Namespace::new(match way {
        Way::Push => "push",
        Way::Serve => "serve",
    })?;
    let mut tcpdump = namespace.command("tcpdump");
    // A buffer that holds all that is sent, and no wait for a block of it to fill.
    tcpdump.args([
        "-i",
        "right",
        "-nn",
        "-v",
        "-l",
        "--immediate-mode",
        "-B",
        "8192",
    ]);
    let mut tcpdump = Process::start(tcpdump.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let mut errors = BufReader::new(tcpdump.0.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        if errors.read_line(&mut line)? == 0 {
            return Err("tcpdump does not listen".into());
        }
    }
    let output = tcpdump.0.stdout.take().expect("it is piped");
    let replay = || {
        let mut tcpreplay = namespace.command("tcpreplay");
        tcpreplay
            .args(["-i", "left", "--pps", "2000"])
            .arg(capture());
        checked(&mut tcpreplay)
    };
    let n = expected.len();
    let (outcome, intake) = block_on(async {
        let all = |intake: &Intake| intake.recorder.len() >= n;
        match way {
            Way::Push => {
                let listening = Listening::start(Intake::flushing_after(100), false);
                let mut nc = command(&["nc", "-N", "HOST", "PORT"], listening.address);
                let _nc = Process::start(nc.stdin(output))?;
                tokio::task::block_in_place(replay)?;
                listening.intake.until("all records are here", all).await;
                // Not before: tcpdump's end is then the stream's.
                tcpdump.interrupt()?;
                Ok::<_, Failed>(listening.ended().await)
            }
            Way::Serve => {
                let address = free_address()?;
                let mut nc = command(&["nc", "-lk", "HOST", "PORT"], address);
                let _nc = Process::start(nc.stdin(output))?;
                let intake = Intake::flushing_after(100);
                let connecting = Connecting::with(intake, address, soon());
                tokio::task::block_in_place(replay)?;
                connecting.intake.until("all records are here", all).await;
                connecting.cancel.cancel();
                tcpdump.interrupt()?;
                Ok(connecting.end().await)
            }
        }
    })?;
    if let Some(error) = outcome.error {
        return Err(error.to_string().into());
    }
    let got = without_stamps(&intake.recorder.texts().concat());
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        if got != expected {
            return Err(format!("record {i} is\n{got}and was\n{expected}").into());
        }
    }
    // An interrupted tcpdump prints one more line feed, in case it stopped within a line.
    let skipped = outcome.summary.skipped;
    match got.len() == n && skipped.total() == skipped.late && skipped.late <= 1 {
        true => Ok(()),
        false => Err(format!("{} records of {n}:\n{}", got.len(), outcome.summary).into()),
    }
}

/// The loop that feeds itself: each record is carried by packets that are recorded.
fn tcpdump_of_its_own_connection() -> Result<(), Failed> {
    block_on(async {
        let intake = Intake::flushing_after(100);
        let listening = Listening::start(intake, false);
        let mut tcpdump = Command::new("tcpdump");
        let filter = format!("tcp port {}", listening.address.port());
        // It would not stop by itself.
        tcpdump.args([
            "-i",
            "lo",
            "-nn",
            "-v",
            "-l",
            "--immediate-mode",
            "-c",
            "40",
            &filter,
        ]);
        tcpdump.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tcpdump = Process::start(&mut tcpdump)?;
        let mut errors = BufReader::new(tcpdump.0.stderr.take().expect("it is piped"));
        tokio::task::block_in_place(|| errors.read_line(&mut String::new()))?;
        let mut nc = command(&["nc", "-N", "HOST", "PORT"], listening.address);
        let mut nc = Process::start(nc.stdin(tcpdump.0.stdout.take().expect("it is piped")))?;
        tokio::task::block_in_place(|| tcpdump.wait().and_then(|()| nc.wait()))?;
        let (outcome, _) = listening.ended().await;
        let summary = &outcome.summary;
        match summary.records == 40 && summary.own == 40 {
            true => Ok(()),
            false => Err(format!("of 40 records {} are its own:\n{summary}", summary.own).into()),
        }
    })
}
