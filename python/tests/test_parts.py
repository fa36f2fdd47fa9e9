"""Files in parts, without Spark: what `dumpstream.spark.read_text` plans, and each part's task."""

import datetime
import os

import pyarrow as pa
import pytest
from values import SAMPLES, texts

import dumpstream as ds
from dumpstream import spark


def whole(file, **options):
    return ds.read(file, plain=True, **{"tz": "UTC", **options}).read_all()


def plan(file, split=spark.SPLIT, splits=None, **options):
    setup = spark._Setup(options)
    return setup, spark._planned(setup, [str(file)], split, splits)


def parts(file, split=spark.SPLIT, splits=None, **options):
    setup, starts = plan(file, split, splits, **options)
    batches = [batch for start in starts for batch in start.read(setup)]
    return pa.Table.from_batches(batches, setup.compiled().schema())


def equal(expected, found, about=""):
    for name in expected.column_names:
        assert expected[name].to_pylist() == found[name].to_pylist(), (about, name)
    assert expected.num_rows == found.num_rows, about


@pytest.mark.filterwarnings("ignore::dumpstream.DumpstreamWarning")
def test_small_samples_cut_in_many_ways():
    cut = 0
    for path in texts():
        size = path.stat().st_size
        if path.suffix != ".txt" or size > 20_000:
            continue
        try:
            expected = whole(path)
        except ValueError:
            continue
        for split in {max(64, size // n) for n in (2, 3, 5, 11)}:
            equal(expected, parts(path, split), (path, split))
            cut += 1
    assert cut > 100


def test_a_line_that_a_packet_prints_begins_no_part():
    """Up to 4.9.3 tcpdump printed PPTP's names as they came, line feeds and whole records too."""
    file = SAMPLES / "4.9.3/pptp/nn.txt"
    expected = whole(file)
    assert expected.num_rows == 6
    for split in range(20, file.stat().st_size):
        equal(expected, parts(file, split), split)


@pytest.mark.parametrize("zone, date, hours", [
    ("Europe/Berlin", "2024-10-27", [0, 1, 2, 2, 3, 4]),
    ("America/New_York", "2024-11-03", [0, 1, 1, 2, 3]),
    # The hour before midnight: the date is there twice, too.
    ("America/Sao_Paulo", "2018-02-17", [21, 22, 23, 23, 0, 1]),
])  # fmt: skip
@pytest.mark.parametrize("dated", [False, True])
def test_an_hour_that_a_clock_has_twice(tmp_path, zone, date, hours, dated):
    file = tmp_path / "a.txt"
    first = datetime.date.fromisoformat(date)
    lines = []
    for at, hour in enumerate(hours):
        day = first + datetime.timedelta(days=hour < hours[0])
        for minute in range(60):
            stamp = f"{hour:02}:{minute:02}:00.000001"
            stamp = f"{day} {stamp}" if dated else stamp
            lines.append(f"{stamp} IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length {at}\n")
    file.write_text("".join(lines))
    options = {"tz": zone} if dated else {"tz": zone, "date": date}
    expected = whole(file, **options)
    times = expected["time_ns"].to_pylist()
    assert times == list(range(times[0], times[0] + len(lines) * 60 * 10**9, 60 * 10**9))
    for splits in [2, 3, 5, 9, 40]:
        equal(expected, parts(file, splits=splits, **options), splits)
    # Elsewhere the file is divided as ever.
    assert 20 < len(plan(file, splits=40, **options)[1]) < 40


def test_text_of_a_dump_is_refused_at_the_beginning_only(tmp_path):
    """As `parse` does: later, a packet may have printed it."""
    dumps = (SAMPLES / "4.99.3/http/A.txt").read_bytes()
    plain = b"22:13:20.000001 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 1\n" * 400
    file = tmp_path / "a.txt"
    for text in [plain + dumps, plain + dumps + plain]:
        file.write_bytes(text)
        os.utime(file, (1_764_550_000, 1_764_550_000))
        expected = whole(file)
        assert expected.num_rows > 400
        for splits in [2, 3, 8, 20]:
            equal(expected, parts(file, splits=splits), splits)
    file.write_bytes(dumps + plain)
    for splits in [1, 2, 8]:
        with pytest.raises(ValueError, match="tcpdump -A"):
            parts(file, splits=splits)


def test_a_record_longer_than_parts(tmp_path):
    plain = b"".join(b"17000000%02d.000001 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 1\n" % n for n in range(99))
    file = tmp_path / "a.txt"
    for long in [b"\t0x0000:  4500 0029 aaaa bbbb\n" * 9_000, b"x" * 300_000, b"x" * 300_000 + b"\n"]:
        file.write_bytes(plain + long + plain)
        expected = whole(file)
        for splits in [2, 5, 30]:
            equal(expected, parts(file, splits=splits), splits)
