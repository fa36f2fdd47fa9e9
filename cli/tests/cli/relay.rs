use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::program::{Running, dumpstream, fed, ran, until};

/// `relay -l` with more options, and where it listens; its output goes to the file `out`.
fn listening(folder: &Path, options: &[&str], stdin: Stdio) -> (Running, SocketAddr) {
    let arguments = [&["relay", "-l", "0", "-v"], options].concat();
    let mut command = dumpstream(folder, &arguments);
    let out = fs::File::create(folder.join("out")).unwrap();
    let running = Running::new({
        command.stdin(stdin).stdout(out);
        command
    });
    let said = running.says("Listening on ");
    let address = said.split("Listening on ").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    (running, address.trim_end_matches('.').parse().unwrap())
}

fn out(folder: &Path) -> String {
    fs::read_to_string(folder.join("out")).unwrap()
}

#[test]
fn both_halves_end_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let other = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        let mut all = Vec::new();
        // To the end of that half, before a byte of this one.
        socket.read_to_end(&mut all).unwrap();
        socket.write_all(b"and an answer\n").unwrap();
        all
    });
    let bytes = b"a question\0\xff\n";
    let relayed = fed(folder.path(), &["relay", "127.0.0.1", &port], bytes);
    assert_eq!(relayed.quiet().out, "and an answer\n");
    assert_eq!(other.join().unwrap(), bytes);

    let (running, address) = listening(folder.path(), &[], Stdio::piped());
    let mut running = running;
    let mut stdin = running.stdin();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"first\n").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    until("it is written", || {
        (out(folder.path()) == "first\n").then_some(())
    });
    stdin.write_all(b"second\n").unwrap();
    drop(stdin);
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    assert_eq!(text, "second\n");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    // Only one connection is taken.
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    ran(folder.path(), &["relay", "-z", "127.0.0.1", &port]).quiet();
    drop(server.accept().unwrap());
    // It ends by -w, without an end of either way.
    let idle = ran(
        folder.path(),
        &["relay", "-d", "-w", "100ms", "127.0.0.1", &port],
    );
    idle.quiet();
    drop(server.accept().unwrap());
    // -q 0: the other end says nothing.
    ran(folder.path(), &["relay", "-q", "0", "127.0.0.1", &port]).quiet();
    drop(server.accept().unwrap());
    // Reset by unread bytes.
    let resets = std::thread::spawn(move || {
        let (socket, _) = server.accept().unwrap();
        until("something is there", || {
            (socket.peek(&mut [0; 1]).unwrap() > 0).then_some(())
        });
    });
    let broken = fed(folder.path(), &["relay", "127.0.0.1", &port], &[b'x'; 100]);
    broken.failed(1, &["the connection broke off after 0 bytes"]);
    resets.join().unwrap();
    ran(folder.path(), &["relay", "127.0.0.1", &port]).failed(1, &["cannot connect", &port]);
    ran(folder.path(), &["relay", "-z", "127.0.0.1", &port]).failed(1, &[&port]);
    ran(folder.path(), &["relay", "127.0.0.1"]).failed(2, &["the port number is missing"]);
    ran(folder.path(), &["relay", "-l", "0.0.0.0:0"]).failed(2, &["--allow"]);
    ran(folder.path(), &["relay", "-6", "127.0.0.1", &port]).failed(1, &["no IPv6 address"]);
    ran(folder.path(), &["relay", "--tls", "127.0.0.1", &port]).failed(2, &["need -l"]);
    ran(folder.path(), &["relay", "-l", "-s", "127.0.0.1", "a", "b"]).failed(2, &["-s 127.0.0.1"]);
}

/// Its kernel buffers are small, so that the relay waits for it.
fn slow_reader() -> (socket2::Socket, String) {
    let server = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    server.set_recv_buffer_size(4 << 10).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    server.bind(&any.into()).unwrap();
    server.listen(1).unwrap();
    let port = server.local_addr().unwrap().as_socket().unwrap().port();
    (server, port.to_string())
}

#[test]
fn a_slow_reader_gets_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = slow_reader();
    let other = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        let (mut all, mut buf) = (0, [0; 40 << 10]);
        loop {
            match socket.read(&mut buf).unwrap() {
                0 => return all,
                n => all += n,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let bytes = vec![b'x'; 4 << 20];
    let relay = ["relay", "-w", "500ms", "127.0.0.1", &port];
    fed(folder.path(), &relay, &bytes).quiet();
    assert_eq!(other.join().unwrap(), bytes.len());

    let (_server, port) = slow_reader();
    let relay = ["relay", "-w", "100ms", "127.0.0.1", &port];
    let stopped = fed(folder.path(), &relay, &bytes);
    stopped.failed(1, &["stopped reading", "for 100ms"]);
}

#[test]
fn with_k_one_connection_follows_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (mut running, address) = listening(folder.path(), &["-k"], Stdio::piped());
    // It stays open.
    let _stdin = running.stdin();
    let mut expected = String::new();
    for n in 0..3 {
        let mut socket = TcpStream::connect(address).unwrap();
        let text = format!("connection {n}\n");
        socket.write_all(text.as_bytes()).unwrap();
        expected += &text;
        drop(socket);
        until("it is written", || {
            (out(folder.path()) == expected).then_some(())
        });
    }
    running.signal("TERM");
    running.end();
}

#[test]
fn a_unix_socket_is_a_file_that_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut listener = dumpstream(folder.path(), &["relay", "-l", "-U", "socket", "-d"]);
    let file = fs::File::create(folder.path().join("out")).unwrap();
    let running = Running::new({
        listener.stdout(file);
        listener
    });
    let socket = folder.path().join("socket");
    until("it listens", || socket.exists().then_some(()));
    fed(folder.path(), &["relay", "-U", "socket"], b"text\n").quiet();
    assert_eq!(running.end().0.code(), Some(0));
    assert_eq!(out(folder.path()), "text\n");
    assert!(!socket.exists());
    ran(folder.path(), &["relay", "-U", "socket"]).failed(1, &["cannot connect to socket"]);
}

#[test]
fn a_unix_socket_is_listened_on_again_after_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    // The file that a killed listener leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    for _ in 0..2 {
        let mut command = dumpstream(folder.path(), &["relay", "-lkvd", "-U", "socket"]);
        command.stdout(fs::File::create(folder.path().join("out")).unwrap());
        let running = Running::new(command);
        running.says("Listening on ");
        fed(folder.path(), &["relay", "-U", "socket"], b"text\n").quiet();
        until("it is written", || {
            (out(folder.path()) == "text\n").then_some(())
        });
        running.signal("TERM");
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(!socket.exists());
    }
}

/// `relay … | head -1` is no failure.
#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let running = Running::new({
        let mut command = dumpstream(folder.path(), &["relay", "-d", "127.0.0.1", &port]);
        command.stdout(writer);
        command
    });
    let (mut socket, _) = server.accept().unwrap();
    socket.write_all(b"text\n").unwrap();
    let (status, said) = running.end();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}
