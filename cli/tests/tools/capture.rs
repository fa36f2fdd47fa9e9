//! `capture`: a real tcpdump on interfaces of the tests' own.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::namespace::{Namespace, checked, namespaces, root};
use crate::program::{Ran, Running, dumpstream, ran, until};

pub(crate) fn trials() -> Vec<Trial> {
    let all = |name, test| with(name, &["tcpdump", "tcpreplay"], test);
    vec![
        all("capture_of_a_replay_has_every_packet", replayed),
        all("capture_survives_a_tcpdump_that_is_killed", killed),
        all("capture_waits_for_an_interface_that_is_gone", gone),
        all("capture_ends_after_so_many_packets", counted),
        all("capture_raises_the_mtu_and_puts_it_back", mtu),
        all("capture_accounts_for_what_the_kernel_drops", stalled),
        all("capture_has_all_counters_of_a_tcpdump_that_waits", waiting),
        all("capture_sends_the_text_to_a_port", sent),
        with("capture_does_not_feed_itself", &["tcpdump", "bash"], own),
        with(
            "capture_leaves_the_ssh_session_out",
            &["tcpdump", "nc", "bash"],
            session,
        ),
        with(
            "capture_finds_the_ssh_session_below_sudo",
            &["tcpdump", "sh", "bash"],
            session_below,
        ),
        with("capture_names_what_is_wrong", &["tcpdump"], faults),
    ]
}

/// A test in a network of its own, with a folder.
fn with(name: &'static str, tools: &[&str], test: fn(&Namespace, &Path)) -> Trial {
    let mut needs: Vec<_> = tools.iter().map(|name| tool(name)).collect();
    needs.push(namespaces());
    trial(name, &needs, move || {
        let namespace = Namespace::new(&name.replace('_', "-"))?;
        checked(namespace.command("ip").args(["link", "set", "lo", "up"]))?;
        let folder = tempfile::tempdir()?;
        test(&namespace, folder.path());
        Ok::<(), Failed>(())
    })
}

// What runs.

fn capture(namespace: &Namespace, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = dumpstream(folder, &[&["capture"], arguments].concat());
    // The session of whoever runs the tests is none of theirs.
    command.env("SSH_CONNECTION", "");
    namespace.within(&command)
}

fn captured(namespace: &Namespace, folder: &Path, arguments: &[&str]) -> Ran {
    Ran::from(capture(namespace, folder, arguments).output().unwrap())
}

fn started(namespace: &Namespace, folder: &Path, arguments: &[&str]) -> Running {
    let running = Running::new(capture(namespace, folder, arguments));
    running.says("capturing on ");
    running
}

/// Ends it as an administrator does; returns its report.
fn ended(running: Running) -> String {
    running.signal("TERM");
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
    said
}

fn sample() -> String {
    given::sample("4.99.3/mix/replay.pcap")
        .display()
        .to_string()
}

/// Sends the sample's packets.
fn replay(namespace: &Namespace, options: &[&str]) {
    replay_on(namespace, "left", options);
}

fn replay_on(namespace: &Namespace, interface: &str, options: &[&str]) {
    let mut command = namespace.command("tcpreplay");
    command
        .args(["-q", "-i", interface])
        .args(options)
        .arg(sample());
    checked(&mut command).unwrap();
}

/// What `tcpdump -r` prints of the sample: the number and the text of each record, without stamps.
fn recorded() -> Vec<String> {
    let mut command = Command::new("tcpdump");
    command.args(["-nn", "-e", "-v", "-S", "-tt", "-#", "-r", &sample()]);
    let text = String::from_utf8(checked(&mut command).unwrap().stdout).unwrap();
    let mut records: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let number = format!("{:>5}  ", records.len() + 1);
        match line.starts_with(&number) {
            true => records.push(line.to_owned()),
            false => records.last_mut().unwrap().push_str(line),
        }
    }
    records.iter().map(|record| without_stamp(record)).collect()
}

fn without_stamp(record: &str) -> String {
    let (number, rest) = record.trim_start().split_once("  ").unwrap();
    let (_, text) = rest.split_once(' ').unwrap();
    format!("{number} {text}")
}

/// The rows of `out.jsonl`, as far as they are there.
fn rows(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("out.jsonl")).unwrap_or_default();
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A figure of a report: the number before these words, at a line's begin.
fn figure(report: &str, words: &str) -> u64 {
    let line = |line: &str| {
        line.split_once(' ')?
            .1
            .starts_with(words)
            .then(|| line.to_owned())
    };
    let line = report.lines().rev().find_map(line);
    let line = line.unwrap_or_else(|| panic!("no {words:?} in {report}"));
    line.split_once(' ').unwrap().0.parse().unwrap()
}

fn mtu_of(namespace: &Namespace, interface: &str) -> String {
    let mut command = namespace.command("ip");
    let shown = checked(command.args(["-o", "link", "show", interface])).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let after = shown.split(" mtu ").nth(1).unwrap();
    after.split(' ').next().unwrap().to_owned()
}

/// The tcpdump that it runs.
fn tcpdump_of(running: &Running) -> Option<String> {
    let children = format!("/proc/{0}/task/{0}/children", running.id());
    let children = fs::read_to_string(children).ok()?;
    let name = |id: &&str| {
        fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == "tcpdump")
    };
    children.split_whitespace().find(name).map(str::to_owned)
}

/// A datagram over the loopback interface of the namespace; nobody listens, so an ICMP error is the
/// answer.
fn datagram(namespace: &Namespace) {
    let mut bash = namespace.command("bash");
    bash.args(["-c", "echo x >/dev/udp/127.0.0.1/9"]);
    checked(&mut bash).unwrap();
}

// The tests.

fn replayed(namespace: &Namespace, folder: &Path) {
    let expected = recorded();
    let n = expected.len();
    let pcap = sample();
    let arguments = [
        "-i",
        "left",
        "--replay",
        &pcap,
        "--pps",
        "2000",
        "--raw",
        "-o",
        "jsonl:out.jsonl",
        "-o",
        "sqlite:a.db",
    ];
    let report = captured(namespace, folder, &arguments)
        .failed(
            0,
            &["capturing on left, writing to jsonl:out.jsonl, sqlite:a.db"],
        )
        .err;
    for figures in [
        format!("{n} packets sent by tcpreplay"),
        format!("{n} packets received by filter"),
        "0 packets dropped by kernel".to_owned(),
        format!("{n} packets captured\n{n} packets printed"),
        format!("{n} packets written to sqlite:a.db, "),
        " ms after their time stamps (p50)".to_owned(),
        "the ledger balances".to_owned(),
    ] {
        assert!(report.contains(&figures), "{figures:?} is not in {report}");
    }
    let texts: Vec<_> = rows(folder)
        .iter()
        .map(|row| without_stamp(row["raw"].as_str().unwrap()))
        .collect();
    assert_eq!(texts, expected);
    let host = &rows(folder)[0]["sensor"];
    assert_eq!(
        host.as_str(),
        Some(dumpstream_flow::capture::hostname().as_str())
    );
    let count = [
        "query",
        "-d",
        "a.db",
        "-f",
        "jsonl",
        "SELECT count(*) n FROM packets",
    ];
    assert_eq!(ran(folder, &count).quiet().json()[0]["n"], n);
}

fn killed(namespace: &Namespace, folder: &Path) {
    let n = recorded().len();
    let arguments = ["-i", "left", "-o", "jsonl:out.jsonl"];
    let running = started(namespace, folder, &arguments);
    replay(namespace, &["--pps", "2000"]);
    until("the first packets are there", || {
        (rows(folder).len() == n).then_some(())
    });
    let tcpdump = tcpdump_of(&running).unwrap();
    checked(Command::new("kill").args(["-KILL", &tcpdump])).unwrap();
    running.says("tcpdump ended with signal: 9 (SIGKILL); starting it again in ");
    running.says("tcpdump captures on left again.");
    replay(namespace, &["--pps", "2000"]);
    until("all are there", || {
        (rows(folder).len() == 2 * n).then_some(())
    });
    let report = ended(running);
    assert!(report.contains("by 2 runs of tcpdump"), "{report}");
    let verdict = "the ledger does not balance: 1 run of tcpdump ended without its counters";
    assert!(report.contains(verdict), "{report}");
    let rows = rows(folder);
    let streams: std::collections::BTreeSet<_> =
        rows.iter().map(|row| row["stream"].as_str()).collect();
    assert_eq!(streams.len(), 2, "each run is a stream");
    assert_eq!(rows.last().unwrap()["record"], n);

    let arguments = ["-i", "left", "--no-restart", "-o", "null:"];
    let running = started(namespace, folder, &arguments);
    let tcpdump = tcpdump_of(&running).unwrap();
    checked(Command::new("kill").args(["-KILL", &tcpdump])).unwrap();
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("dumpstream: tcpdump ended with signal: 9"),
        "{said}"
    );
}

fn gone(namespace: &Namespace, folder: &Path) {
    let links = |words: &str| {
        for line in words.split('\n') {
            checked(namespace.command("ip").args(line.split(' '))).unwrap();
        }
    };
    let plug = "link add near type veth peer name far\nlink set near arp off up\n\
                link set far arp off up";
    links(plug);
    let running = started(namespace, folder, &["-i", "near", "-o", "jsonl:out.jsonl"]);
    links("link del near");
    running.says("The interface disappeared; starting it again in ");
    running.says("near: No such device exists (No such device exists); starting it again in ");
    links(plug);
    running.says("tcpdump captures on near again.");
    replay_on(namespace, "near", &["--pps", "2000"]);
    let n = recorded().len();
    until("all are there", || (rows(folder).len() == n).then_some(()));
    let report = ended(running);
    assert!(report.contains("by 2 runs of tcpdump"), "{report}");
    assert!(report.contains("the ledger balances"), "{report}");
}

fn counted(namespace: &Namespace, folder: &Path) {
    let pcap = sample();
    let arguments = [
        "-i",
        "left",
        "-c",
        "5",
        "--immediate-mode",
        "--replay",
        &pcap,
        "--pps",
        "500",
        "-o",
        "jsonl:out.jsonl",
    ];
    let report = captured(namespace, folder, &arguments).failed(0, &[]).err;
    assert_eq!(rows(folder).len(), 5, "{report}");
    assert_eq!(figure(&report, "packets captured"), 5);
    assert_eq!(figure(&report, "packets printed"), 5);
}

fn mtu(namespace: &Namespace, folder: &Path) {
    for interface in ["left", "right"] {
        let link = ["link", "set", interface, "mtu", "1500"];
        checked(namespace.command("ip").args(link)).unwrap();
    }
    let both = || (mtu_of(namespace, "left"), mtu_of(namespace, "right"));
    let before = ("1500".to_owned(), "1500".to_owned());
    let raised = ("9000".to_owned(), "9000".to_owned());
    let pcap = sample();
    let common = ["-i", "right", "--mtu", "9000", "--replay-interface", "left"];

    // At the end of a replay.
    let slow = ["--replay", &pcap, "--pps", "500", "-o", "null:"];
    let running = started(namespace, folder, &[&common[..], &slow].concat());
    assert_eq!(both(), raised);
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
    assert_eq!(both(), before);

    // At a signal.
    let slow = ["--replay", &pcap, "--pps", "10", "-o", "null:"];
    let running = started(namespace, folder, &[&common[..], &slow].concat());
    assert_eq!(both(), raised);
    ended(running);
    assert_eq!(both(), before);

    // At a second one, while an output takes nothing.
    let stuck = [
        "-o",
        "jsonl:-",
        "--replay",
        &pcap,
        "--pps",
        "2000",
        "--drain-timeout",
        "1h",
        "--queue",
        "1K",
    ];
    let mut command = capture(namespace, folder, &[&common[..], &stuck].concat());
    command.stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    until("it is raised", || (both() == raised).then_some(()));
    sleep(Duration::from_secs(2));
    let kill = ["-TERM".to_owned(), child.id().to_string()];
    checked(Command::new("kill").args(&kill)).unwrap();
    sleep(Duration::from_secs(1));
    assert!(
        child.try_wait().unwrap().is_none(),
        "it waits for its output"
    );
    checked(Command::new("kill").args(&kill)).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(both(), before);

    // Without it, the interface refuses what is too long.
    let small = ["link", "set", "left", "mtu", "500"];
    checked(namespace.command("ip").args(small)).unwrap();
    let fast = [
        "-i", "left", "--replay", &pcap, "--pps", "2000", "-o", "null:",
    ];
    let report = captured(namespace, folder, &fast)
        .failed(0, &["the ledger balances"])
        .err;
    let refused = figure(&report, "packets refused by its interface; --mtu");
    let n = recorded().len() as u64;
    assert_eq!(figure(&report, "packets sent by tcpreplay") + refused, n);
    assert_eq!(report.matches("Message too long").count(), 1, "{report}");
    let small = ["link", "set", "left", "mtu", "1500"];
    checked(namespace.command("ip").args(small)).unwrap();

    // After an error.
    std::fs::write(folder.join("wrong.pcap"), "no capture").unwrap();
    for (file, said) in [
        ("wrong.pcap", "tcpreplay ended with"),
        ("missing.pcap", "No such file"),
    ] {
        let wrong = ["--replay", file, "-o", "null:"];
        let ran = captured(namespace, folder, &[&common[..], &wrong].concat());
        ran.failed(1, &[said]);
        assert_eq!(both(), before);
    }
    let ran = captured(
        namespace,
        folder,
        &["-i", "left", "--mtu", "1000000", "-o", "null:"],
    );
    ran.failed(1, &["cannot set the MTU of left: "]);
    assert_eq!(both(), before);
}

/// A capture whose output nobody reads, and whose buffers are full; and that output.
fn stuck(namespace: &Namespace, folder: &Path) -> (Running, std::io::PipeReader) {
    let arguments = [
        "-i",
        "left",
        "-B",
        "256",
        "-o",
        "jsonl:-",
        "--queue",
        "1K",
        "--stats",
        "1s",
        "--drain-timeout",
        "1s",
    ];
    let mut command = capture(namespace, folder, &arguments);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let running = Running::new(command);
    running.says("capturing on ");
    replay(namespace, &["--pps", "5000", "--loop", "10"]);
    (running, reader)
}

/// The output is read in the end.
fn stalled(namespace: &Namespace, folder: &Path) {
    let (running, mut reader) = stuck(namespace, folder);
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    let told = running.says("The kernel drops packets");
    assert!(told.contains("an output is too slow"), "{told}");
    let report = ended(running);
    let lines = read.join().unwrap().lines().count() as u64;
    assert!(report.contains("the ledger balances"), "{report}");
    let (received, dropped) = (
        figure(&report, "packets received by filter"),
        figure(&report, "packets dropped by kernel"),
    );
    assert!(
        dropped > 0 && received == 10 * recorded().len() as u64,
        "{report}"
    );
    assert_eq!(figure(&report, "packets captured"), lines);
    assert_eq!(figure(&report, "packets written to jsonl:-"), lines);
}

/// The output is never read. A tcpdump that is interrupted while it waits would end without its
/// counters.
fn waiting(namespace: &Namespace, folder: &Path) {
    let (running, _reader) = stuck(namespace, folder);
    running.signal("TERM");
    let (status, report) = running.end();
    assert_eq!(status.code(), Some(5), "{report}");
    let all = 10 * recorded().len() as u64;
    assert_eq!(figure(&report, "packets received by filter"), all);
    let printed = figure(&report, "packets printed");
    assert_eq!(figure(&report, "packets captured"), printed);
    let written = figure(&report, "packets written to jsonl:-");
    let missing = printed - written;
    let verdict = format!(
        "the ledger does not balance: {missing} packets printed, but not written to jsonl:-\n"
    );
    assert!(
        missing > 0 && report.contains(&verdict),
        "{verdict}{report}"
    );
}

/// To `listen`, which is gone for a while.
fn sent(namespace: &Namespace, folder: &Path) {
    let expected = recorded();
    let listen = |file: &str, port: &str| {
        let arguments = ["listen", "-k", port, "--raw", "-o", file];
        let listener = Running::new(namespace.within(&dumpstream(folder, &arguments)));
        let address = listener.address();
        (listener, address.port().to_string())
    };
    let (listener, port) = listen("jsonl:out.jsonl", "0");
    let arguments = [
        "-i",
        "left",
        "127.0.0.1",
        &port,
        "-o",
        "jsonl:own.jsonl",
        "--raw",
    ];
    let running = started(namespace, folder, &arguments);
    assert!(
        running
            .said()
            .contains(&format!("writing to 127.0.0.1:{port}, jsonl:own.jsonl"))
    );
    replay(namespace, &["--pps", "2000"]);
    until("all is sent", || {
        (rows(folder).len() == expected.len()).then_some(())
    });
    let texts = rows(folder);
    let texts = texts
        .iter()
        .map(|row| without_stamp(row["raw"].as_str().unwrap()));
    assert!(
        texts.eq(expected.iter().cloned()),
        "the text arrives as it is"
    );
    ended(listener);
    let (listener, _) = listen("jsonl:again.jsonl", &port);
    replay(namespace, &["--pps", "2000"]);
    let again = || fs::read_to_string(folder.join("again.jsonl")).unwrap_or_default();
    until("the rest is sent", || {
        again()
            .contains(&format!("\"raw\":\"{:>5}  ", 2 * expected.len()))
            .then_some(())
    });
    let report = ended(running);
    ended(listener);
    // The end of the first listener is noticed by the loss of one record.
    let lost = expected.len() - again().lines().count();
    assert!(lost <= 1, "{report}");
    assert_eq!(
        figure(&report, &format!("packets written to 127.0.0.1:{port}")),
        2 * expected.len() as u64 - lost as u64
    );
    match lost {
        0 => assert!(report.contains("the ledger balances"), "{report}"),
        _ => assert!(report.contains(&format!(
            "1 packet printed, but not written to 127.0.0.1:{port}"
        ))),
    }
}

/// On the interface that the text is sent over.
fn own(namespace: &Namespace, folder: &Path) {
    let listen = ["listen", "-k", "0", "-o", "jsonl:out.jsonl"];
    let listener = Running::new(namespace.within(&dumpstream(folder, &listen)));
    let port = listener.address().port().to_string();
    let arguments = ["-i", "lo", "--immediate-mode", "127.0.0.1", &port];
    let running = started(namespace, folder, &arguments);
    let filter = format!("filter: not (tcp port {port} and host 127.0.0.1)");
    running.says(&filter);
    for n in 1..=3 {
        datagram(namespace);
        // The datagram and its answer.
        until("they are received", || {
            (rows(folder).len() >= 2 * n).then_some(())
        });
    }
    // What carried them would be there by now.
    sleep(Duration::from_secs(1));
    let report = ended(running);
    ended(listener);
    assert_eq!(rows(folder).len(), 6, "{report}");
    assert_eq!(figure(&report, "packets captured"), 6);
    // libpcap reads one of the two copies of each.
    assert_eq!(figure(&report, "packets received by filter"), 12);
    assert!(report.contains("the ledger balances"), "{report}");
}

fn session(namespace: &Namespace, folder: &Path) {
    for (keep, packets) in [(&[][..], 2), (&["--keep-ssh"], 4)] {
        fs::remove_file(folder.join("out.jsonl")).ok();
        let arguments = ["-i", "lo", "--immediate-mode", "-o", "jsonl:out.jsonl"];
        let mut command = capture(namespace, folder, &[&arguments, keep].concat());
        command.env("SSH_CONNECTION", "127.0.0.1 50022 127.0.0.1 22");
        let running = Running::new(command);
        running.says("capturing on ");
        // Nobody listens: a packet of the session, and its answer.
        let mut nc = namespace.command("nc");
        nc.args(["-p", "50022", "127.0.0.1", "22"])
            .stdin(Stdio::null());
        assert!(!nc.output().unwrap().status.success());
        datagram(namespace);
        until("the last is there", || {
            rows(folder)
                .iter()
                .any(|row| row["protocol"] == "ICMP")
                .then_some(())
        });
        let report = ended(running);
        assert_eq!(rows(folder).len(), packets, "{report}");
        assert_eq!(
            report.contains("filter: not (tcp and host 127.0.0.1"),
            keep.is_empty()
        );
    }
}

/// sudo removes the variable: the shell that it was typed in still has it.
fn session_below(namespace: &Namespace, folder: &Path) {
    let mut shell = namespace.command("sh");
    let program = env!("CARGO_BIN_EXE_dumpstream");
    let line = "env -u SSH_CONNECTION \"$@\"; exit $?";
    shell
        .args(["-c", line, "sh", program, "capture", "-i", "lo", "-c", "2"])
        .env("SSH_CONNECTION", "192.0.2.9 50022 192.0.2.1 22")
        .current_dir(folder);
    let running = Running::new(shell);
    running
        .says("filter: not (tcp and host 192.0.2.9 and port 50022 and host 192.0.2.1 and port 22)");
    datagram(namespace);
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
}

fn faults(namespace: &Namespace, folder: &Path) {
    root().unwrap();
    let wrong = captured(namespace, folder, &["-i", "eth7"]);
    wrong.failed(
        1,
        &[
            "eth7: No such device",
            "the interfaces are ",
            "left",
            "right",
        ],
    );
    let wrong = captured(namespace, folder, &["-i", "left", "tcp", "prot", "80"]);
    wrong.failed(2, &["filter `tcp prot 80`: can't parse filter expression"]);
    let wrong = captured(namespace, folder, &["-i", "left", "tcp \u{1b}[2J"]);
    wrong.failed(2, &["\\u{1b}[2J"]);
    let wrong = captured(namespace, folder, &["-i", "left", "--stream", "x"]);
    wrong.failed(2, &["--stream x names a single input"]);
    let wrong = captured(namespace, folder, &["-i", "any", "--replay", "x.pcap"]);
    wrong.failed(2, &["--replay-interface"]);
    for options in [
        &["--pps", "5"][..],
        &["--mtu", "9000"],
        &["-c", "0"],
        &["-B", "0"],
    ] {
        assert_eq!(
            captured(namespace, folder, options).code,
            Some(2),
            "{options:?}"
        );
    }
    assert!(!folder.join("packets.db").exists(), "nothing is created");
    let list = captured(namespace, folder, &["-D"]).quiet().out;
    assert!(list.contains(".left ") && list.contains(".lo "), "{list}");
    // Without a right to capture.
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let program = folder.join("dumpstream");
    fs::copy(env!("CARGO_BIN_EXE_dumpstream"), &program).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mut nobody = Command::new(&program);
    nobody
        .args(["capture", "-i", "lo"])
        .uid(65534)
        .gid(65534)
        .current_dir("/");
    Ran::from(nobody.output().unwrap()).failed(
        1,
        &[
            "lo: You don't have permission",
            "run dumpstream as root",
            "setcap",
        ],
    );
    // Nor with a tcpdump that cannot be found, if there is none in the other folders.
    let hidden = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
    if !hidden
        .iter()
        .any(|folder| Path::new(folder).join("tcpdump").exists())
    {
        let mut command = dumpstream(folder, &["capture", "-i", "lo"]);
        let missing = Ran::from(command.env("PATH", folder).output().unwrap());
        missing.failed(1, &["tcpdump is not installed"]);
    }
    let help = ran(folder, &["capture", "--help"]).quiet().out;
    assert!(help.contains("capture -i eth0"), "{help}");
}
