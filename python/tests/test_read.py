"""`read`, `parse_batch` and `schema`: the same values as the program, from any source."""

import doctest
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings

import pyarrow as pa
import pytest
from values import HTTP, LARGE, ROOT, SAMPLES, large, missing, objects, rows, same, texts

import dumpstream as ds

ARP = b"1700000000.500000 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n"


def read(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ds.read(source, **options).read_all()


def test_the_examples_of_the_documentation():
    assert doctest.testmod(ds) == (0, doctest.testmod(ds).attempted)


def test_the_lines_of_the_readme(tmp_path, monkeypatch, capsys):
    """As a new user runs them."""
    pytest.importorskip("duckdb")
    pytest.importorskip("pandas")
    readme = (ROOT / "README.md").read_text()
    begin = readme.index("    import dumpstream\n    import duckdb\n")
    block = readme[begin : readme.index("\n`read` gives", begin)]
    lines = "\n".join(line[4:] for line in block.splitlines())
    assert len([line for line in lines.splitlines() if line]) <= 10
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monday.txt.gz").write_bytes(gzip.compress(HTTP.read_bytes()))
    exec(compile(lines, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "source" in printed and "destination_port" in printed


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(SAMPLES)))
def test_every_sample_has_the_values_of_the_program(dumpstream, path):
    if path.suffix == ".pcap" and not shutil.which("tcpdump"):
        missing("no tcpdump")
    try:
        expected = objects(dumpstream("parse", "--origin", "--raw", "--tz", "UTC", path))
    except subprocess.CalledProcessError as refused:
        # Text of -A, whose records can be forged.
        assert refused.returncode == 2
        with pytest.raises(ValueError, match="tcpdump -A"):
            read(path, tz="UTC")
        return
    same(expected, rows(read(path, tz="UTC", raw=True)))
    # The other ways to the same values.
    same(expected, rows(read(path, tz="UTC", raw=True, plain=True)))
    same(expected, rows(read(path, tz="UTC", raw=True, engine="regex")))


def test_many_records_are_equal_in_duckdb(dumpstream, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    count = int(os.environ.get("RECORDS", 40_000))
    text = large(tmp_path, count)
    lines = tmp_path / "large.jsonl"
    dumpstream("parse", "--origin", "--tz", "UTC", text, "-o", f"jsonl:{lines}")
    packets = ds.read(text, tz="UTC").read_all()
    assert packets.num_rows == count
    # DuckDB 1.4 crashes when it compares dictionaries with texts, whoever made them.
    texts = [f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in packets.schema]
    packets = packets.cast(pa.schema(texts))
    types = {name: duckdb_type(packets.schema.field(name).type) for name in packets.column_names}
    columns = ", ".join(f'"{name}": {kind!r}' for name, kind in types.items())
    of_json = f"read_json('{lines}', format='newline_delimited', columns={{{columns}}})"
    duckdb.sql("SET TimeZone = 'UTC'")

    def select(table):
        # JSON has microseconds in DuckDB's reader; the nanoseconds of the text are none here.
        return "SELECT " + ", ".join(
            f'coalesce("{n}", false) AS "{n}"' if n == "truncated" else f'"{n}"::{k} AS "{n}"'
            for n, k in types.items()
        ) + f" FROM {table}"

    for a, b in [("packets", of_json), (of_json, "packets")]:
        left = duckdb.sql(f"SELECT count(*) FROM ({select(a)} EXCEPT ALL {select(b)})").fetchall()
        assert left == [(0,)]
    assert duckdb.sql(f"SELECT count(*) FROM {of_json}").fetchall() == [(count,)]


def duckdb_type(kind):
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    if pa.types.is_time64(kind):
        return "TIME"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    if pa.types.is_floating(kind):
        return "DOUBLE"
    if pa.types.is_integer(kind):
        return "BIGINT"
    return "VARCHAR"


def test_every_kind_of_source_has_the_same_rows(tmp_path):
    text = HTTP.read_bytes()
    expected = read(HTTP, tz="UTC", date="2026-11-24", sensor="s")
    zipped = tmp_path / "v.txt.gz"
    zipped.write_bytes(gzip.compress(text))
    halves = [text[i : i + 777] for i in range(0, len(text), 777)]
    for source in [
        str(HTTP),
        HTTP,
        text,
        io.BytesIO(text),
        open(HTTP, "rb"),
        gzip.open(zipped),
        zipped,
        zipped.read_bytes(),
        halves,
        iter(halves),
        (bytearray(half) for half in halves),
        (memoryview(half) for half in halves),
        [b"", text, b""],
    ]:
        found = read(source, tz="UTC", date="2026-11-24", sensor="s")
        assert found.equals(expected), source


def test_a_capture_is_printed_by_tcpdump(tmp_path):
    if not shutil.which("tcpdump"):
        missing("no tcpdump")
    capture = SAMPLES / "4.99.3/mix/replay.pcap"
    of_file = read(capture)
    assert of_file.num_rows > 600
    assert read(capture.read_bytes(), sensor="replay.pcap").equals(of_file)


def test_what_reads_arrow_reads_it():
    duckdb = pytest.importorskip("duckdb")
    polars = pytest.importorskip("polars")
    pytest.importorskip("pandas")
    reader = ds.read(LARGE, tz="UTC")
    found = duckdb.sql("SELECT protocol, count(*) n FROM reader GROUP BY 1 ORDER BY n DESC LIMIT 1")
    assert found.fetchall() == [("TCP", 35_405)]
    frame = polars.from_arrow(ds.read(LARGE, tz="UTC").read_all())
    assert frame.height == 46_293
    assert ds.read(LARGE, tz="UTC").read_all().to_pandas().shape[0] == 46_293


def test_options_are_those_of_the_program(dumpstream, tmp_path):
    namespace = json.loads(dumpstream("namespace", "export"))
    mine = {"name": "hops", "in": "network", "regex": r"ttl (\d+)", "type": "int", "doc": "mine"}
    namespace["fields"].append(mine)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(namespace))
    for arguments, options in [
        (["--namespace", file], {"namespace": file}),
        (["--keep-payload"], {"keep_payload": True}),
        (["--keep-info"], {"keep_info": True}),
        (["--tz", "Asia/Tokyo"], {"tz": "Asia/Tokyo"}),
        (["--date", "2020-02-29"], {"date": "2020-02-29"}),
        (["--sensor", "gate", "--stream", "one"], {"sensor": "gate", "stream": "one"}),
        (["--max-record", "1024"], {"max_record": 1024}),
        (["--stamp", "elapsed"], {"stamp": "elapsed"}),
    ]:
        path = SAMPLES / "4.99.3/http/v-X.txt"
        path = path if path.exists() else HTTP
        tz = [] if "tz" in options else ["--tz", "UTC"]
        expected = objects(dumpstream("parse", "--origin", *tz, *arguments, path))
        same(expected, rows(read(path, **{"tz": "UTC", **options})))
    assert ds.schema(file).field("hops").metadata[b"doc"] == b"mine"


def test_the_schema_says_what_its_columns_are():
    schema = ds.schema()
    assert schema.field("time").type == pa.timestamp("ns", "UTC")
    assert schema.field("source_port").type == pa.uint16()
    assert pa.types.is_dictionary(schema.field("protocol").type)
    assert schema.field("ttl").metadata[b"doc"]
    assert set(schema.metadata) == {b"namespace", b"hash"}
    plain = ds.schema(plain=True)
    assert plain.field("source_port").type == pa.int32()
    assert plain.field("protocol").type == pa.string()
    assert "sensor" not in ds.schema(identity=False).names
    assert "raw" in ds.schema(raw=True).names
    assert ds.read(b"", tz="UTC").schema == schema


def test_the_program_prints_the_same_schema(dumpstream):
    for of, schema in [("arrow", ds.schema()), ("parquet", ds.schema(plain=True))]:
        printed = dumpstream("schema", of).decode()
        wanted = schema.to_string(truncate_metadata=False, show_schema_metadata=False)
        fields, _, metadata = printed.partition("-- schema metadata --\n")
        assert fields.rstrip() == wanted
        for name, value in schema.metadata.items():
            assert f"{name.decode()}: '{value.decode()}'\n" in metadata


def test_the_columns_of_parquet(dumpstream, tmp_path):
    """Files of `-o parquet:`, as DuckDB and pyarrow read them: the rows of `read`."""
    duckdb = pytest.importorskip("duckdb")
    import pyarrow.dataset

    count = int(os.environ.get("RECORDS", 40_000))
    text = large(tmp_path, count)
    folder = tmp_path / "packets"
    dumpstream("parse", "--tz", "UTC", text, "-o", f"parquet:{folder}?rotate_size=400K")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 1 and all(path.suffix == ".parquet" for path in files)
    expected = ds.read(text, tz="UTC", plain=True).read_all()
    found = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
    assert set(found.column("hour").to_pylist()) == {0}
    found = found.sort_by("record").select(expected.column_names)
    assert found.combine_chunks().equals(expected.combine_chunks())
    of_files = f"SELECT * EXCLUDE (date, hour) FROM '{folder}/**/*.parquet'"
    for a, b in [("SELECT * FROM expected", of_files), (of_files, "SELECT * FROM expected")]:
        assert duckdb.sql(f"SELECT count(*) FROM ({a} EXCEPT ALL {b})").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "options, kind, words",
    [
        ({"tz": "Nowhere"}, ValueError, "use an IANA name"),
        ({"date": "2026-02-30"}, ValueError, "existing date"),
        ({"engine": "fast"}, ValueError, "slot or regex"),
        ({"stamp": "x"}, ValueError, "delta or elapsed"),
        ({"namespace": "/nowhere.json"}, FileNotFoundError, "/nowhere.json"),
        ({"rows": 0}, ValueError, "at least 1"),
    ],
)
def test_wrong_arguments(options, kind, words):
    with pytest.raises(kind, match=words):
        ds.read(b"", **options)


def test_wrong_inputs(tmp_path):
    with pytest.raises(FileNotFoundError, match="/nowhere.txt"):
        ds.read("/nowhere.txt")
    with pytest.raises(OSError, match="directory"):
        ds.read(tmp_path)
    with pytest.raises(TypeError, match="binary mode"):
        ds.read(io.StringIO("text")).read_all()
    with pytest.raises(TypeError, match="a path, bytes"):
        ds.read(7)
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"namespace": "x", "fields": [{"name": "a"}]}')
    with pytest.raises(ValueError, match="wrong.json"):
        ds.read(b"", namespace=wrong)
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(ARP * 10_000)[:-20])
    with pytest.raises(OSError, match="gzip"):
        ds.read(broken).read_all()


def test_rows_come_before_the_exception_of_a_source():
    class Mine(Exception):
        pass

    def source():
        yield ARP * 3
        raise Mine("of the source")

    found = 0
    with pytest.raises(Mine, match="of the source"):
        for batch in ds.read(source()):
            found += batch.num_rows
    # The last record is whole only when the text ends.
    assert found in (2, 3)


def test_what_is_skipped_is_said():
    with pytest.warns(ds.DumpstreamWarning, match="no packets found, 5 bytes"):
        assert ds.read(b"junk\n").read_all().num_rows == 0
    with pytest.warns(ds.DumpstreamWarning, match="12 bytes before the first packet"):
        assert ds.read(b"not a stamp\n" + ARP * 2).read_all().num_rows == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ds.read(ARP * 2).read_all().num_rows == 2


def test_any_bytes_are_data():
    random.seed(7)
    text = bytearray(HTTP.read_bytes())
    for _ in range(300):
        broken = bytearray(text)
        for _ in range(20):
            broken[random.randrange(len(broken))] = random.randrange(256)
        table = read(bytes(broken))
        table.validate(full=True)
        batch = pa.record_batch({"value": [bytes(line) for line in broken.split(b"\n")]})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.parse_batch(batch).validate(full=True)


def test_the_interpreter_is_free_while_text_is_parsed():
    done = threading.Event()
    ticks = 0

    def parse():
        for _ in range(4):
            read(LARGE, rows=1 << 20)
        done.set()

    # A switch that would have to wait for the parser takes as long as the parse.
    thread = threading.Thread(target=parse)
    thread.start()
    longest, last = 0.0, time.monotonic()
    while not done.is_set():
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        ticks += 1
    thread.join()
    assert ticks > 10_000, f"{ticks} rounds, at most {longest:.3f} s apart"


def test_two_threads_share_a_reader_without_waiting_for_ever():
    source = ds.read(iter([ARP * 1000] * 200), rows=1000)
    counts = []

    def take():
        count = 0
        while True:
            try:
                count += source.read_next_batch().num_rows
            except (StopIteration, ValueError):
                break
        counts.append(count)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sum(counts) <= 200_000


def test_a_reader_may_be_left():
    class Endless:
        closed = False

        def __iter__(self):
            while True:
                yield ARP * 10_000

    reader = ds.read(Endless())
    assert next(iter(reader)).num_rows >= 1
    del reader


def test_memory_does_not_grow_with_the_text():
    # In processes of their own: what is measured is the peak.
    megabytes = [int(n) for n in os.environ.get("MEGABYTES", "20,100").split(",")]
    script = """
import resource, sys
import dumpstream as ds
line = b"1700000000.500000 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\\n" * 1000
n = int(sys.argv[1]) * 2**20 // len(line)
count = sum(batch.num_rows for batch in ds.read(line for _ in range(n)))
assert count == n * 1000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", script, str(n)])) for n in megabytes
    ]
    print(dict(zip(megabytes, peaks)), "KiB")
    assert peaks[-1] < peaks[0] * 1.2, peaks


# --- parse_batch ---


def kafka(values, **more):
    n = len(values)
    columns = {
        "key": pa.array([b"gate"] * n, pa.binary()),
        "value": pa.array(values, pa.binary()),
        "topic": ["packets"] * n,
        "partition": pa.array([3] * n, pa.int32()),
        "offset": pa.array(range(100, 100 + n), pa.int64()),
        "timestamp": pa.array([1_700_000_000_000_000] * n, pa.timestamp("us", "UTC")),
    }
    return pa.record_batch({**columns, **more})


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()],
    ids=str,
)
def test_every_kind_of_text_column(kind):
    batch = pa.record_batch({"text": pa.array([ARP.decode().rstrip(), None], kind)})
    found = ds.parse_batch(batch, "text", identity=False)
    assert found.num_rows == 1 and found.column("arp_op").to_pylist() == ["Request"]


def test_records_one_by_one_have_the_values_of_their_text(dumpstream):
    for path in texts():
        if path.suffix == ".pcap" or path.name.startswith(("t.", "t-")):
            continue
        try:
            expected = objects(dumpstream("parse", "--origin", "--raw", "--tz", "UTC", path))
        except subprocess.CalledProcessError:
            continue
        table = read(path, tz="UTC", raw=True)
        columns = ["sensor", "stream", "record", "time", "time_source", "truncated", "raw"]
        batch = table.select(columns).combine_chunks().to_batches()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = [ds.parse_batch(b, "raw", tz="UTC", raw=True) for b in batch]
        if again and again[0].num_rows == len(expected):
            same(expected, rows(pa.Table.from_batches(again)))
        else:
            # Without stamps, a record alone cannot be told from a line of another.
            assert not expected or "time" not in path.name and no_stamps(path), path


def no_stamps(path):
    return not read(path, raw=True).column("raw").to_pylist()[0][:1].isdigit()


def test_messages_of_a_topic_have_the_identity_of_consume():
    found = ds.parse_batch(kafka([ARP, ARP, b"junk", ARP]), plain=True)
    assert found.column("sensor").to_pylist() == ["gate"] * 3
    assert found.column("stream").to_pylist() == ["packets/3"] * 3
    assert found.column("record").to_pylist() == [101, 102, 104]
    # Two records in a message: the second has a stream of its own.
    found = ds.parse_batch(kafka([ARP + ARP]), plain=True)
    assert found.column("stream").to_pylist() == ["packets/3", "packets/3+1"]
    assert found.column("record").to_pylist() == [101, 101]
    # A blank key, one that is no text, and none: the topic.
    for key in [b" ", b"\xff", None, b"x" * 300]:
        batch = kafka([ARP], key=pa.array([key], pa.binary()))
        assert ds.parse_batch(batch, plain=True).column("sensor").to_pylist() == ["packets"]


def test_headers_say_what_is_known_of_a_record():
    header = pa.struct([("key", pa.string()), ("value", pa.binary())])
    known = {
        "sensor": b"roof",
        "stream": b"s1",
        "record": b"9",
        "time": b"1700000000123456789",
        "time_source": b"date",
        "truncated": b"true",
    }
    entries = [{"key": k, "value": v} for k, v in known.items()]
    text = b"22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27"
    batch = kafka([text, text], headers=pa.array([entries, None], pa.list_(header)))
    first, second = rows(pa.Table.from_batches([ds.parse_batch(batch, tz="UTC")]))
    assert first["sensor"] == "roof" and second["sensor"] == "gate"
    assert first["time"] == "2023-11-14T22:13:20.123456789Z" and first["time_source"] == "date"
    assert first["truncated"] and "truncated" not in second
    # The end of a cut record says nothing: it may be `length 275`.
    assert "payload_length" not in first and second["payload_length"] == 27
    # Dated by the message's time.
    assert second["time"] == "2023-11-14T22:13:20.123456Z"


def test_other_columns_are_kept():
    batch = pa.record_batch({"value": [ARP, b"junk", ARP + ARP], "n": [1, 2, 3], "s": ["a", "b", "c"]})
    with pytest.warns(ds.DumpstreamWarning, match="1 row without a packet"):
        found = ds.parse_batch(batch, keep=["s", "n"])
    assert found.column("n").to_pylist() == [1, 3, 3]
    assert found.column("s").to_pylist() == ["a", "c", "c"]
    with pytest.raises(ValueError, match="no column 'x'|no column \"x\""):
        ds.parse_batch(batch, keep=["x"])
    with pytest.raises(ValueError, match="no column"):
        ds.parse_batch(batch, "text")
    with pytest.raises(ValueError, match="not text"):
        ds.parse_batch(batch, "n")


def test_rows_are_parsed_by_themselves():
    # A line that another row ends, or a row in another style, changes nothing.
    udp = b"1700000000.500000 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27"
    clock = b"22:13:20.123456 IP 10.0.0.3.53 > 10.0.0.2.9: UDP, length 28"
    batch = pa.record_batch({"value": [udp, b"\t0x0000:  4500 0000", clock, udp, b"", clock]})
    with pytest.warns(ds.DumpstreamWarning, match="2 rows"):
        found = ds.parse_batch(batch)
    assert found.column("payload_length").to_pylist() == [27, 28, 27, 28]


def test_lines_of_joined_text(dumpstream):
    records = [raw for raw in read(HTTP, raw=True).column("raw").to_pylist()]
    joined = [" ".join(line.strip() for line in raw.splitlines()[:2]) for raw in records]
    found = ds.parse_batch(pa.record_batch({"value": joined}))
    assert found.column("source").to_pylist() == read(HTTP).column("source").to_pylist()
