//! Other programs' TLS at the other end: ncat, openssl and socat.

use std::path::Path;
use std::process::{Command, Stdio};

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::program::{Running, dumpstream, records, until};

pub(crate) fn trials() -> Vec<Trial> {
    // Whether it closes TLS before TCP.
    let senders: [(&str, &'static [&'static str], bool); 4] = [
        ("ncat", &["ncat", "--ssl", "HOST", "PORT"], false),
        (
            "ncat_send_only",
            &["ncat", "--ssl", "--send-only", "HOST", "PORT"],
            false,
        ),
        (
            "openssl_s_client",
            &[
                "openssl",
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-connect",
                "HOST:PORT",
            ],
            true,
        ),
        (
            "socat",
            &["socat", "-u", "-", "OPENSSL:HOST:PORT,verify=0"],
            true,
        ),
    ];
    let servers: [(&str, &'static [&'static str]); 3] = [
        (
            "ncat",
            &[
                "ncat",
                "-l",
                "--ssl",
                "--ssl-cert",
                "server.pem",
                "--ssl-key",
                "server.key",
                "HOST",
                "PORT",
            ],
        ),
        (
            "openssl_s_server",
            &[
                "openssl",
                "s_server",
                "-quiet",
                "-cert",
                "server.pem",
                "-key",
                "server.key",
                "-accept",
                "HOST:PORT",
            ],
        ),
        (
            "socat",
            &[
                "socat",
                "-u",
                "-",
                "OPENSSL-LISTEN:PORT,bind=HOST,cert=server.pem,key=server.key,verify=0",
            ],
        ),
    ];
    let mut trials = Vec::new();
    for (name, words, closes) in senders {
        let name = format!("{name}_over_tls_to_listen");
        trials.push(trial(
            &name,
            &[tool("openssl"), tool(words[0])],
            move || pushed(words, closes),
        ));
    }
    for (name, words) in servers {
        let name = format!("{name}_over_tls_to_connect");
        trials.push(trial(&name, &[tool("openssl"), tool(words[0])], || {
            served(words)
        }));
    }
    trials.push(trial(
        "certificates_of_senders_over_tls",
        &[tool("openssl"), tool("ncat")],
        certificates,
    ));
    trials.push(trial(
        "serve_reads_its_certificate_again",
        &[tool("openssl")],
        served_certificates,
    ));
    trials
}

const SENT: usize = 3000;

fn openssl(folder: &Path, words: &str) -> Result<(), Failed> {
    let mut command = Command::new("openssl");
    command.args(words.split(' ')).current_dir(folder);
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "openssl {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}

/// `NAME.pem` and `NAME.key`, signed by themselves.
fn certify(folder: &Path, name: &str) -> Result<(), Failed> {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj \
             /CN={name} -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {name}.key -out \
             {name}.pem"
        ),
    )
}

/// A command with the address filled in, and records at its standard input.
fn command(folder: &TempDir, words: &[&str], port: u16) -> Result<Command, Failed> {
    let text = folder.path().join("text");
    std::fs::write(&text, records(SENT))?;
    let words: Vec<_> = words
        .iter()
        .map(|word| {
            word.replace("HOST", "127.0.0.1")
                .replace("PORT", &port.to_string())
        })
        .collect();
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .current_dir(folder.path())
        .stdin(std::fs::File::open(text)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

fn raw(folder: &TempDir) -> String {
    let text = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap_or_default();
    let rows = text.lines().filter_map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(row["raw"].as_str()?.to_owned())
    });
    rows.collect()
}

/// Byte for byte, and the report; how many connections broke off.
fn arrived(folder: &TempDir, said: &str, broken: bool) -> Result<(), Failed> {
    match raw(folder) == records(SENT) && said.contains("1 broke off") == broken {
        true => Ok(()),
        false => Err(format!("not what was sent, or not how:\n{said}").into()),
    }
}

fn pushed(words: &[&str], closes: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let listen = ["listen", "0", "--ssl", "--raw", "-o", "jsonl:out.jsonl"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    running.says("self-signed TLS certificate, SHA-256 ");
    let sent = command(&folder, words, running.address().port())?.status()?;
    let (status, said) = running.end();
    if !sent.success() || status.code() != Some(0) {
        return Err(format!("{sent}; {status}: {said}").into());
    }
    arrived(&folder, &said, !closes)
}

fn served(words: &[&str]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    certify(folder.path(), "server")?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let mut server = command(&folder, words, port)?.spawn()?;
    let address = format!("localhost:{port}");
    let connect = [
        "connect",
        "-4",
        &address,
        "--tls",
        "--raw",
        "-o",
        "jsonl:out.jsonl",
    ];
    let trusts = ["--ssl-trustfile", "server.pem", "--flush-after", "50ms"];
    let running = Running::new(dumpstream(folder.path(), &[&connect[..], &trusts].concat()));
    let all = || (raw(&folder) == records(SENT)).then_some(());
    until("all is here", all);
    running.signal("TERM");
    server.kill()?;
    server.wait()?;
    let (status, said) = running.end();
    match status.code() {
        Some(0) => Ok(()),
        _ => Err(said.into()),
    }
}

/// Who has no certificate, or a foreign one, is refused; SIGHUP takes another CA, and a broken file
/// changes nothing.
fn certificates() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for name in ["server", "good", "foreign"] {
        certify(folder.path(), name)?;
    }
    let files = [
        "--tls-cert",
        "server.pem",
        "--tls-key",
        "server.key",
        "--tls-ca",
        "ca.pem",
    ];
    let ca = folder.path().join("ca.pem");
    std::fs::copy(folder.path().join("good.pem"), &ca)?;
    let listen = [
        "listen",
        "-k",
        "0",
        "--tls",
        "--raw",
        "-v",
        "-o",
        "jsonl:out.jsonl",
    ];
    let running = Running::new(dumpstream(folder.path(), &[&listen[..], &files].concat()));
    let port = running.address().port();
    let send = |name: Option<&str>| -> Result<(), Failed> {
        let identity = name.map(|name| {
            [
                "--ssl-cert".to_owned(),
                format!("{name}.pem"),
                "--ssl-key".to_owned(),
                format!("{name}.key"),
            ]
        });
        let mut words = vec!["ncat", "--ssl", "HOST", "PORT"];
        words.extend(identity.iter().flatten().map(String::as_str));
        // One that is refused may notice or not.
        command(&folder, &words, port)?.status()?;
        Ok(())
    };
    let refused = |n: usize| {
        until("it is refused", || {
            running.signal("USR1");
            let told = running.said().matches("TLS handshake failed").count();
            (told >= n).then_some(())
        });
    };
    send(None)?;
    refused(1);
    // At most one message a second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    send(Some("foreign"))?;
    refused(2);
    std::fs::write(&ca, "nothing")?;
    running.signal("HUP");
    running.says("the previous TLS certificate stays in use");
    std::fs::copy(folder.path().join("foreign.pem"), &ca)?;
    running.signal("HUP");
    running.says("The TLS certificate was read again");
    send(Some("foreign"))?;
    until("it is read", || {
        (raw(&folder) == records(SENT)).then_some(())
    });
    running.signal("TERM");
    let (status, said) = running.end();
    match status.code() == Some(0) && said.contains("1 connection, 1 broke off, 2 without a TLS") {
        true => Ok(()),
        false => Err(said.into()),
    }
}

/// `serve` reads its certificate again, too.
fn served_certificates() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for name in ["server", "second"] {
        certify(folder.path(), name)?;
    }
    let files = [
        "--tls",
        "--tls-cert",
        "server.pem",
        "--tls-key",
        "server.key",
    ];
    let mut serve = dumpstream(folder.path(), &[&["serve", "0", "-v"], &files[..]].concat());
    serve.stdin(Stdio::piped());
    let mut running = Running::new(serve);
    let text = running.stdin();
    running.says("serving ");
    for end in ["pem", "key"] {
        let at = |name: &str| folder.path().join(format!("{name}.{end}"));
        std::fs::copy(at("second"), at("server"))?;
    }
    running.signal("HUP");
    running.says("The TLS certificate was read again");
    drop(text);
    match running.end() {
        (status, _) if status.code() == Some(0) => Ok(()),
        (_, said) => Err(said.into()),
    }
}
