//! What is in a topic after `-o kafka://…`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use dumpstream::spell::Text;
use serde_json::Value;

use crate::broker::{Cluster, Message, cluster};
use crate::program::{Ran, Running, dumpstream, ran, until};
use crate::text;

/// The messages of each record; a record stands in a topic once.
#[track_caller]
fn by_identity(messages: Vec<Message>) -> BTreeMap<(String, String, u64), Message> {
    let count = messages.len();
    let keyed = messages.into_iter().map(|message| {
        let record = message.header("record").parse().unwrap();
        let of = |name| message.header(name).to_owned();
        ((of("sensor"), of("stream"), record), message)
    });
    let all: BTreeMap<_, _> = keyed.collect();
    assert_eq!(all.len(), count, "a record stands twice");
    all
}

/// So many records in a file, and in the topic of a URL.
fn parse(folder: &Path, count: u64, more: &[&str]) -> Ran {
    fs::write(folder.join("a.txt"), text::records(1..count + 1)).unwrap();
    ran(folder, &[&["parse", "-v", "a.txt"], more].concat())
}

/// The same, in the background.
fn parsing(folder: &Path, count: u64, more: &[&str]) -> Running {
    fs::write(folder.join("a.txt"), text::records(1..count + 1)).unwrap();
    let arguments = [&["parse", "-v", "a.txt"], more].concat();
    Running::new(dumpstream(folder, &arguments))
}

/// It ends well, and every record is in the topic once.
#[track_caller]
fn ends_well(running: Running, cluster: &Cluster, topic: &str, count: u64) -> String {
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let records = by_identity(cluster.read(topic));
    assert!(records.keys().map(|key| key.2).eq(1..=count), "{said}");
    said
}

pub(crate) fn every_sample() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let (texts, objects) = (cluster.topic(3), cluster.topic(3));
    let file = folder.path().join("all.jsonl");
    let outputs = [
        format!("jsonl:{}", file.display()),
        cluster.url(0, &texts, "format=text"),
        cluster.url(0, &objects, "key=flow&compression=zstd"),
    ];
    // Text of -A is refused: anything could be forged in it. A sensor is a file's name without its
    // folder, and each sample is a sensor of its own here.
    let paths: Vec<_> = given::samples()
        .into_iter()
        .filter(|sample| !sample.is_ascii())
        .map(|sample| {
            let name = format!("{}.txt", sample.name.replace('/', "-"));
            fs::write(folder.path().join(&name), &sample.text).unwrap();
            name
        })
        .collect();
    let mut arguments = vec!["parse", "--origin", "--raw", "--keep-payload"];
    arguments.extend(outputs.iter().flat_map(|output| ["-o", output]));
    arguments.extend(paths.iter().map(String::as_str));
    let parsed = ran(folder.path(), &arguments);
    assert_eq!(parsed.code, Some(0), "{parsed:?}");

    let texts = by_identity(cluster.read(&texts));
    let objects = by_identity(cluster.read(&objects));
    let lines = fs::read_to_string(&file).unwrap();
    let mut records = 0;
    for line in lines.lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let of = |name: &str| json[name].as_str().unwrap().to_owned();
        let key = (of("sensor"), of("stream"), json["record"].as_u64().unwrap());
        let object = &objects[&key];
        assert_eq!(str::from_utf8(&object.value).unwrap(), line);
        assert_eq!(object.key.as_ref().unwrap().len(), 16);
        let message = &texts[&key];
        // No byte is lost where `raw` has bytes that are no text.
        let mut spelt = Text::new();
        spelt.json(&message.value);
        let value: String = serde_json::from_slice(&spelt.out).unwrap();
        let raw = of("raw");
        assert_eq!(value, raw.strip_suffix('\n').unwrap_or(&raw));
        assert_eq!(message.key.as_deref(), Some(key.0.as_bytes()));
        assert_eq!(message.header("namespace"), object.header("namespace"));
        assert_eq!(message.header("namespace").len(), 16);
        let source = of("time_source");
        let told = Some(source.as_str()).filter(|source| *source != "packet");
        assert_eq!(message.header("time_source"), told.unwrap_or_default());
        assert_eq!(
            message.header("truncated") == "true",
            json["truncated"].as_bool().unwrap_or_default()
        );
        if let Some(time) = json["time"].as_str() {
            let time: jiff::Timestamp = time.parse().unwrap();
            let ns = time.as_nanosecond().to_string();
            assert_eq!(message.header("time"), ns, "{line}");
        }
        records += 1;
    }
    assert_eq!((texts.len(), objects.len()), (records, records));
    assert!(records > 10_000, "{records}");
    println!("{records} records of {} samples", paths.len());
}

pub(crate) fn the_console_shows_it() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    let url = cluster.url(0, &topic, "format=text");
    let before = jiff::Timestamp::now().as_millisecond();
    let ran = parse(folder.path(), 1_000, &["--sensor", "here", "-o", &url]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.err.contains("1000 packets written to kafka://"),
        "{ran:?}"
    );
    let shown = cluster.console_consumer(&topic, 1_000, &[]);
    assert!(shown == text::records(1..1_001), "not the text itself");
    let all = ["print.key", "print.headers"].map(|name| format!("{name}=true"));
    let all: Vec<&str> = all.iter().flat_map(|p| ["--property", p]).collect();
    let shown = cluster.console_consumer(&topic, 1, &all);
    let (headers, rest) = shown.split_once('\t').unwrap();
    assert!(headers.starts_with("sensor:here,stream:"), "{shown}");
    assert!(headers.contains(",record:1,namespace:"), "{shown}");
    assert!(headers.ends_with(",time:1700000000000100000"), "{shown}");
    assert!(rest.starts_with("here\t1700000000.000100 IP"), "{shown}");
    let times: Vec<i64> = cluster.read(&topic).iter().map(|m| m.timestamp).collect();
    let now = jiff::Timestamp::now().as_millisecond();
    assert!(times.iter().all(|time| (before..=now).contains(time)));
}

pub(crate) fn a_topic_that_is_missing() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.name();
    let url = cluster.url(0, &topic, "");
    let running = parsing(folder.path(), 1_000, &["-o", &url]);
    running.says(&format!("--create --topic {topic}"));
    cluster.create(&topic, 3, &[]);
    running.says("Resumed.");
    let said = ends_well(running, &cluster, &topic, 1_000);
    assert_eq!(said.matches("Waiting:").count(), 1, "{said}");
}

/// What was in it is gone; what comes later waits for another one.
pub(crate) fn a_topic_that_goes_away() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    let url = cluster.url(0, &topic, "");
    let listen = dumpstream(folder.path(), &["listen", "0", "-v", "-o", &url]);
    let listen = Running::new(listen);
    let mut socket = TcpStream::connect(listen.address()).unwrap();
    socket
        .write_all(text::records(1..1_001).as_bytes())
        .unwrap();
    until("the first are there", || {
        (cluster.count(&topic) >= 999).then_some(())
    });
    cluster.forget(&topic);
    socket
        .write_all(text::records(1_001..2_001).as_bytes())
        .unwrap();
    listen.says(&format!("the topic `{topic}` does not exist"));
    cluster.create(&topic, 1, &[]);
    drop(socket);
    let (status, said) = listen.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("Resumed."), "{said}");
    let records = by_identity(cluster.read(&topic));
    let last: Vec<u64> = records.keys().map(|key| key.2).collect();
    assert!(
        last.ends_with(&(1_001..=2_000).collect::<Vec<_>>()),
        "{said}"
    );
}

pub(crate) fn a_broker_that_restarts() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(3);
    let url = cluster.url(0, &topic, "key=flow");
    cluster.kill(1);
    let running = parsing(folder.path(), 10_000, &["-o", &url]);
    running.says("do not answer (127.0.0.1:");
    cluster.start(1);
    running.says("Resumed.");
    ends_well(running, &cluster, &topic, 10_000);
}

pub(crate) fn too_few_replicas() {
    let cluster = cluster(3);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(3);
    let url = cluster.url(0, &topic, "key=flow");
    // One of three: nobody notices.
    cluster.kill(3);
    let done = parse(folder.path(), 10_000, &["-o", &url]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(cluster.read(&topic).len(), 10_000);
    cluster.start(3);
    // Two of three: what is left has no majority of controllers either.
    let topic = cluster.topic(3);
    let url = cluster.url(0, &topic, "key=flow");
    cluster.kill(3);
    cluster.kill(2);
    let running = parsing(folder.path(), 10_000, &["-o", &url]);
    running.says("Waiting: ");
    cluster.start(2);
    cluster.start(3);
    let said = ends_well(running, &cluster, &topic, 10_000);
    assert!(said.contains("Resumed."), "{said}");
}

/// The one that is away is named.
pub(crate) fn replicas_that_are_missing() {
    let cluster = cluster(3);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.name();
    cluster.create(&topic, 1, &[("min.insync.replicas", "3")]);
    let url = cluster.url(0, &topic, "");
    cluster.kill(3);
    let running = parsing(folder.path(), 1_000, &["-o", &url]);
    let said = running.says("has 2 of 3 in-sync replicas");
    assert!(said.contains("must be started: 3"), "{said}");
    cluster.start(3);
    running.says("Resumed.");
    ends_well(running, &cluster, &topic, 1_000);
}

pub(crate) fn a_record_that_is_too_large() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.name();
    cluster.create(&topic, 1, &[("max.message.bytes", "4000")]);
    let url = cluster.url(0, &topic, "format=text&compression=none");
    // Every hundredth is larger than the topic takes.
    let long = "a".repeat(5_000);
    let mut input = String::new();
    for n in 1..=2_000 {
        match n % 100 {
            50 => {
                input += &format!(
                    "{}.000001 IP 10.0.0.1.53 > 10.0.0.2.9: {n} A? {long}. (27)\n",
                    text::BEGIN
                )
            }
            _ => input += &text::record(n),
        }
    }
    fs::write(folder.path().join("a.txt"), input).unwrap();
    let arguments = ["parse", "-v", "--rejects", "r.jsonl", "a.txt", "-o", &url];
    let done = ran(folder.path(), &arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    for said in [
        "1980 packets written to kafka://",
        "20 packets rejected by kafka://",
        "The brokers refused records; they are in the file of rejects.",
    ] {
        assert!(done.err.contains(said), "{said}: {}", done.err);
    }
    let order = cluster.read(&topic);
    let order = order
        .iter()
        .map(|m| m.header("record").parse::<u64>().unwrap());
    assert!(
        order.eq((1..=2_000).filter(|n| n % 100 != 50)),
        "their order"
    );
    let letters = fs::read_to_string(folder.path().join("r.jsonl")).unwrap();
    let refused = letters.lines().map(|line| {
        let json: Value = serde_json::from_str(line).unwrap();
        assert_eq!(json["reason"], "refused");
        assert!(
            json["detail"].as_str().unwrap().contains("too large"),
            "{json}"
        );
        json["record"].as_u64().unwrap()
    });
    assert!(refused.eq((0..20).map(|n| n * 100 + 50)));
    // Without a file it is said that they are lost.
    let done = ran(folder.path(), &["parse", "-v", "a.txt", "-o", &url]);
    assert!(
        done.err.contains("keep them with --rejects FILE"),
        "{done:?}"
    );
}

pub(crate) fn a_password_and_tls() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let pem = cluster.certificates();
    let file = |name: &str| pem.join(name).display().to_string();
    let tls = format!("tls={}", file("ca.pem"));
    let own = format!(
        "{tls}&tls_cert={}&tls_key={}",
        file("alice.pem"),
        file("alice.key")
    );
    fs::write(folder.path().join("a.txt"), text::records(1..101)).unwrap();
    let with = |listener, topic: &str, parameters: &str, password: Option<&str>| {
        let url = cluster.url(listener, topic, parameters);
        let mut command = dumpstream(folder.path(), &["parse", "-v", "a.txt", "-o", &url]);
        if let Some(password) = password {
            command
                .env("DUMPSTREAM_KAFKA_USER", "alice")
                .env("DUMPSTREAM_KAFKA_PASSWORD", password);
        }
        Running::new(command)
    };
    let secret = Some("alice-secret");
    for (listener, parameters, password) in [
        (2, tls.clone(), None),
        (2, own, None),
        (3, tls.clone(), secret),
        (3, format!("{tls}&sasl=plain"), secret),
        (3, format!("{tls}&sasl=scram-sha-256"), secret),
        (4, String::new(), secret),
        (4, "sasl=plain".to_owned(), secret),
    ] {
        let topic = cluster.topic(1);
        let (status, said) = with(listener, &topic, &parameters, password).end();
        assert_eq!(status.code(), Some(0), "{parameters}: {said}");
        assert!(!said.contains("Waiting"), "{parameters}: {said}");
        assert_eq!(cluster.read(&topic).len(), 100, "{parameters}");
    }
    let topic = cluster.topic(1);
    for parameters in ["", "sasl=plain"] {
        let wrong = with(4, &topic, parameters, Some("wrong"));
        let said = wrong.says("do not accept the user");
        assert!(said.contains("check the name and the password"), "{said}");
        assert!(
            !said.contains("alice-secret") && !said.contains("wrong"),
            "{said}"
        );
    }
    let unknown = with(2, &topic, "tls=", None);
    unknown.says("certificate verify failed");
    let missing = with(2, &topic, "tls=nowhere.pem", None).end();
    assert_eq!(missing.0.code(), Some(1), "{}", missing.1);
    assert!(missing.1.contains("nowhere.pem"), "{}", missing.1);
}

pub(crate) fn brokers_that_never_come() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let url = "kafka://127.0.0.9:9/packets";
    let running = parsing(folder.path(), 1_000, &["--drain-timeout", "1s", "-o", url]);
    running.says("127.0.0.9:9 do not answer (");
    // Its ear for signals opens at the same time.
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal("INT");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(5), "{said}");
    for words in [
        "1000 packets not written when --drain-timeout expired",
        "0 packets written to",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    drop(cluster);
}
