"""Packets in Spark: the values of the program, whatever fails in between.

DUMPSTREAM_SPARK=1 runs them; RECORDS and KILLS are how much.
"""

import collections
import datetime
import gzip
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time
import zlib

import pyspark
import pytest
from servers import jars, settings
from values import HTTP, ROOT, large, texts

import dumpstream as ds
from dumpstream.spark import packets, read_text, register, store

pytestmark = pytest.mark.skipif(
    os.environ.get("DUMPSTREAM_SPARK") != "1", reason="DUMPSTREAM_SPARK=1 starts real servers"
)
SPARK_4 = pyspark.__version__ >= "4"


def amount(name, otherwise):
    return int(os.environ.get(name, otherwise))


@pytest.fixture(scope="session")
def program(dumpstream):
    """The program, which must have Kafka."""
    return dumpstream


def collected(df):
    """A frame's rows as `rows` has them."""
    names = df.columns
    return [
        {name: value for name, value in zip(names, row) if value is not None and value is not False}
        for row in df.collect()
    ]


def spark_rows(table):
    """A plain table of `read` as `collected` has a frame."""
    return [{k: v for k, v in row.items() if v is not None and v is not False} for row in table.to_pylist()]


def equal(expected, found, about=""):
    def simple(row):
        row = dict(row)
        for name, value in row.items():
            if isinstance(value, datetime.datetime):
                # Spark gives the time of this machine, without a zone.
                row[name] = value.timestamp()
        return row

    def order(row):
        return row["sensor"], row["stream"], row["record"]

    expected = sorted(map(simple, expected), key=order)
    found = sorted(map(simple, found), key=order)
    for a, b in zip(expected, found):
        assert a == b, (about, {k: (a.get(k), b.get(k)) for k in {*a, *b} if a.get(k) != b.get(k)})
    assert len(expected) == len(found), about


def test_all_samples_in_parts(spark):
    """Files, cut into parts of any length: the rows of the whole."""
    for path in texts():
        if path.suffix == ".pcap":
            continue
        try:
            table = ds.read(path, tz="UTC", plain=True).read_all()
        except ValueError:
            continue
        if table.num_rows == 0:
            continue
        size = path.stat().st_size
        splits = 3 if size < 1_000_000 else 8
        equal(spark_rows(table), collected(read_text(spark, str(path), splits=splits)), path)


def test_parts_of_every_length(spark, tmp_path):
    """A part may end anywhere: between lines, in a stamp, in the middle of a record."""
    text = HTTP.read_bytes()[:6_000]
    file = tmp_path / "a.txt"
    file.write_bytes(text)
    expected = spark_rows(ds.read(file, tz="UTC", plain=True).read_all())
    for split in [97, 250, 1_000, 2_999, 5_999]:
        equal(expected, collected(read_text(spark, str(file), split=split)))


def test_midnight_in_any_part(spark, tmp_path):
    """Stamps without a date count days from the beginning of the file."""
    file = tmp_path / "days.txt"
    with file.open("w") as out:
        for n in range(400):
            minute = n * 37
            out.write(
                f"{minute // 60 % 24:02}:{minute % 60:02}:00.000001 IP 10.0.0.1.53 > 10.0.0.2.9: "
                f"UDP, length {n}\n"
            )
    os.utime(file, (1_764_550_000, 1_764_550_000))
    for options in [{}, {"date": "2024-02-27"}, {"tz": "Europe/Berlin"}]:
        expected = spark_rows(ds.read(file, plain=True, **{"tz": "UTC", **options}).read_all())
        days = {row["time_ns"] // (86_400 * 10**9) for row in expected}
        assert len(days) > 9
        equal(expected, collected(read_text(spark, str(file), splits=16, **options)))


def test_what_cannot_be_divided_is_read_as_a_whole(spark, tmp_path):
    text = HTTP.read_bytes()
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text))
    differences = b"".join(
        b" 00:00:0%d.000001 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 1\n" % (n % 3)
        for n in range(500)
    )
    (tmp_path / "b.txt").write_bytes(differences)
    (tmp_path / "c.txt").write_bytes(b"IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 1\n" * 500)
    for name in ["a.txt.gz", "b.txt", "c.txt"]:
        file = tmp_path / name
        expected = spark_rows(ds.read(file, tz="UTC", plain=True).read_all())
        assert len(expected) > 60, name
        equal(expected, collected(read_text(spark, str(file), splits=7)))


def test_a_large_file_in_eight_parts(spark, tmp_path):
    text = large(tmp_path, amount("RECORDS", 100_000))
    found = read_text(spark, str(text), splits=8)
    assert found.rdd.getNumPartitions() == 8
    expected = summed_up(ds.read(text, tz="UTC", plain=True).read_all().to_batches())
    assert figures(found) == expected


FIGURES = ("record", "source", "destination", "protocol", "time_ns")


def summed_up(batches):
    """Figures that one row more, less or otherwise changes."""
    total = collections.Counter()
    for batch in batches:
        columns = [
            batch.column(name).to_pylist() for name in FIGURES
        ]
        for values in zip(*columns):
            line = "|".join("" if value is None else str(value) for value in values)
            total["rows"] += 1
            total["sum"] += zlib.crc32(line.encode())
    return total


def figures(df):
    from pyspark.sql import functions as F

    line = F.concat_ws(
        "|",
        *(F.coalesce(F.col(n).cast("string"), F.lit(""))
          for n in FIGURES),
    )
    row = df.select(F.count("*"), F.sum(F.crc32(line))).first()
    return collections.Counter(rows=row[0], sum=row[1])


def test_text_of_a_frame(spark):
    unparsed = spark.sparkContext.accumulator(0)
    text = "1700000000.500000 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28"
    frame = spark.createDataFrame([(text,), ("junk",), (None,)], "value string")
    found = packets(frame, unparsed=unparsed).select("arp_op", "time_ns").collect()
    assert found == [("Request", 1_700_000_000_500_000_000)] and unparsed.value == 1
    assert "sensor" not in packets(frame).columns
    some = packets(frame, fields=["time_ns", "arp_op"])
    assert some.collect() == [(1_700_000_000_500_000_000, "Request")]
    with pytest.raises(ValueError, match="no fields colour"):
        packets(frame, fields=["colour"])
    with pytest.raises(TypeError, match="unknown options: zone"):
        packets(frame, zone="UTC")
    with pytest.raises(ValueError, match="use an IANA name"):
        packets(frame, tz="Nowhere")
    with pytest.raises(ValueError, match="topic, partition and offset"):
        store(frame, "null:")


def test_a_namespace_travels_by_its_text(spark, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(
        '{"namespace": "mine", "fields": [{"name": "hops", "in": "network", "regex": "ttl (\\\\d+)", '
        '"type": "int"}]}'
    )
    text = (
        "22:13:20.123456 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 28)\n"
        "    10.0.0.1.53 > 10.0.0.2.9: UDP, length 0"
    )
    frame = packets(spark.createDataFrame([(text,)], "value string"), namespace=file)
    file.unlink()
    assert [row.hops for row in frame.collect() if row.hops] == [64]


def test_serve_joined_through_the_socket_source(spark, tmp_path):
    """Spark connects to `serve --joined`, a record a line."""
    path = pathlib.Path(os.environ.get("DUMPSTREAM", ROOT / "target/release/dumpstream"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    table = ds.read(HTTP, tz="UTC", date="2026-11-24", plain=True).read_all()
    serve = subprocess.Popen(
        [path, "serve", "--joined", f"127.0.0.1:{port}"], stdin=subprocess.PIPE
    )
    query = None
    try:
        source = None
        deadline = time.monotonic() + 60
        while source is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                source = spark.readStream.format("socket")
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        lines = source.options(host="127.0.0.1", port=port).load()
        sink = packets(lines, date="2026-11-24").writeStream.format("memory").queryName("joined")
        query = sink.option("checkpointLocation", str(tmp_path / "c")).start()
        # The text is sent again until somebody is there to have it all.
        count = 0
        while count < table.num_rows:
            serve.stdin.write(HTTP.read_bytes())
            serve.stdin.flush()
            time.sleep(1)
            count = spark.sql("SELECT count(*) FROM joined").first()[0]
            assert time.monotonic() < deadline + 60
        wanted = set(zip(table["source"].to_pylist(), table["seq"].to_pylist()))
        found = spark.sql("SELECT source, seq FROM joined").collect()
        assert {tuple(row) for row in found} == wanted
    finally:
        if query:
            query.stop()
        serve.kill()
        serve.wait()


@pytest.mark.skipif(not SPARK_4, reason="Spark 3.5 has no data sources in Python")
def test_the_data_source(spark, tmp_path):
    register(spark)
    text = large(tmp_path, 20_000)
    expected = summed_up(ds.read(text, tz="UTC", plain=True).read_all().to_batches())
    found = spark.read.format("tcpdump").option("splits", "4").load(str(text))
    assert found.rdd.getNumPartitions() == 4 and figures(found) == expected
    with pytest.raises(Exception, match="unknown options: zone"):
        spark.read.format("tcpdump").option("zone", "x").load(str(text)).count()
    # Each file of a folder once, also after a restart.
    folder = tmp_path / "in"
    folder.mkdir()
    stream = spark.readStream.format("tcpdump").load(str(folder))
    counts = []

    def run():
        sink = stream.writeStream.foreachBatch(lambda df, _: counts.append(df.count()))
        sink = sink.option("checkpointLocation", str(tmp_path / "c")).trigger(availableNow=True)
        sink.start().awaitTermination()

    for name in ["a", "b"]:
        (folder / f"{name}.part").write_bytes(HTTP.read_bytes())
        (folder / f"{name}.part").rename(folder / f"{name}.txt")
        run()
    rows_of = ds.read(HTTP).read_all().num_rows
    assert [count for count in counts if count] == [rows_of, rows_of]


def test_spark_without_data_sources_says_so(spark):
    if SPARK_4:
        pytest.skip("it has them")
    with pytest.raises(RuntimeError, match="read_text reads files"):
        register(spark)


# --- the whole flow ---


class Job:
    """`examples/spark_job.py`, as a driver of its own with real executors."""

    def __init__(self, folder, kafka, topic, url, batch, *more):
        self.log = folder / f"job{time.monotonic_ns()}.log"
        submit = pathlib.Path(pyspark.__file__).parent / "bin/spark-submit"
        config = {
            **settings(),
            # An executor that is killed is no fault of its task.
            "spark.task.maxFailures": "50",
            "spark.deploy.maxExecutorRetries": "-1",
            "spark.executor.memory": "700m",
            "spark.cassandra.connection.host": "127.0.0.1",
            "spark.python.worker.faulthandler.enabled": "true",
        }
        command = [submit, "--master", "local-cluster[2,1,1024]", "--jars", jars()]
        for name, value in config.items():
            command += ["--conf", f"{name}={value}"]
        command += [
            ROOT / "examples/spark_job.py", "--brokers", kafka.brokers, "--topic", topic,
            "--checkpoint", folder / "checkpoint", "--store", url, "--batch", batch, "--until-end",
            *more,
        ]
        work = folder / "work"
        work.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=self.log.open("wb"), stderr=subprocess.STDOUT, cwd=work,
            start_new_session=True,
        )

    def executors(self):
        """Process ids of the executors' JVMs."""
        return [pid for pid in pids("CoarseGrainedExecutorBackend") if self.is_ours(pid)]

    def is_ours(self, pid):
        """The driver has a session of its own, and what it starts is in it."""
        try:
            return os.getsid(pid) == self.process.pid
        except ProcessLookupError:
            return False

    def batches(self):
        """How many micro-batches were stored."""
        return self.log.read_text(errors="replace").count("{'packets'")

    def kill(self):
        """The driver: Python, its JVM, and so the master and the workers."""
        executors = self.executors()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pid in executors:
            quietly_kill(pid)

    def wait(self):
        assert self.process.wait(1_800) == 0, self.log.read_text(errors="replace")[-6_000:]


def pids(word):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in command and b"java" in command:
                found.append(int(entry.name))
    return found


def quietly_kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def lines(path):
    """Sorted lines of JSON, as a file."""
    sorted_ = path.with_suffix(".sorted")
    subprocess.run(["sort", "-S", "500M", "-o", sorted_, path], check=True, env={"LC_ALL": "C"})
    return sorted_


@pytest.fixture(scope="session")
def topic(tmp_path_factory, kafka, program):
    """A topic of three partitions with the text's records, as `-o kafka:` writes them; and the rows
    of `parse`."""
    folder = tmp_path_factory.mktemp("topic")
    text = large(folder, amount("RECORDS", 60_000))
    kafka.topic("packets", 3)
    program("parse", "--tz", "UTC", text, "-o", f"kafka://{kafka.brokers}/packets?format=text&key=flow")
    program("parse", "--tz", "UTC", "--sensor", "large.txt", text, "-o", f"jsonl:{folder}/parse.jsonl")
    return "packets", lines(folder / "parse.jsonl"), folder


def stored(program, folder, keyspace):
    """The rows of a table, as JSON."""
    file = folder / f"{keyspace}.jsonl"
    file.unlink(missing_ok=True)
    program("read", f"cassandra://127.0.0.1/{keyspace}.packets", "--tz", "UTC", "-o", f"jsonl:{file}")
    return lines(file)


def killed(job, kills, seed):
    """Kills executors at random moments while the job runs."""
    random.seed(seed)
    done = 0
    while done < kills and job.process.poll() is None:
        before = set(job.executors())
        if len(before) < 1:
            time.sleep(0.2)
            continue
        time.sleep(random.uniform(0.5, 4))
        alive = job.executors()
        if alive and job.batches() > 0:
            quietly_kill(random.choice(alive))
            done += 1
    return done


def run_with_faults(tmp_path, kafka, topic, keyspace):
    """The job, killed `KILLS` times by its executors and once as a whole."""
    records, kills = amount("RECORDS", 60_000), amount("KILLS", 2)
    url = f"cassandra://127.0.0.1/{keyspace}.packets?create=true&replication=1"
    batch = max(1_000, records // 30)
    job = Job(tmp_path, kafka, topic, url, batch)
    try:
        done = killed(job, -(-kills // 2), 1)
        job.kill()
        job = Job(tmp_path, kafka, topic, url, batch)
        done += killed(job, kills - done, 2)
        job.wait()
    finally:
        if job.process.poll() is None:
            job.kill()
    print(f"{done} executors and one driver killed")
    assert done == kills, "the job ended before it was killed as often as wanted"


def test_the_job_is_killed(tmp_path, kafka, cassandra, topic, program):
    """Text, Kafka, Structured Streaming, Cassandra: executors and the driver are killed, and each
    packet is there once."""
    run_with_faults(tmp_path, kafka, topic[0], "killed")
    found = stored(program, tmp_path, "killed")
    assert subprocess.run(["cmp", topic[1], found]).returncode == 0


def test_the_job_runs_again(tmp_path, kafka, cassandra, topic, program):
    """From the beginning of the topic, into the same table: no row is added."""
    url = "cassandra://127.0.0.1/again.packets?create=true&replication=1"
    for part in ["a", "b"]:
        (tmp_path / part).mkdir()
        job = Job(tmp_path / part, kafka, topic[0], url, 50_000)
        job.wait()
        total = sum(int(n) for n in re.findall(r"'delivered': (\d+)", job.log.read_text()))
        assert total == amount("RECORDS", 60_000)
    found = stored(program, tmp_path, "again")
    assert subprocess.run(["cmp", topic[1], found]).returncode == 0


@pytest.mark.skipif(SPARK_4, reason="spark-cassandra-connector is for Spark 3.5 at most")
def test_the_connector_writes_the_same_rows(tmp_path, kafka, cassandra, topic, program):
    url = "cassandra://127.0.0.1/connector.packets?create=true&replication=1"
    program("parse", "--tz", "UTC", HTTP, "--date", "2000-01-01", "-o", url)
    (tmp_path / "a").mkdir()
    Job(tmp_path / "a", kafka, topic[0], url, 50_000, "--connector").wait()
    # Written by our own sink, nothing is added or changed.
    (tmp_path / "b").mkdir()
    Job(tmp_path / "b", kafka, topic[0], url, 50_000).wait()
    file = tmp_path / "connector.jsonl"
    program("read", "cassandra://127.0.0.1/connector.packets", "--from", "2001-01-01", "--tz", "UTC",
            "-o", f"jsonl:{file}")
    assert subprocess.run(["cmp", topic[1], lines(file)]).returncode == 0
