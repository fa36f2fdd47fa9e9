"""Samples, and rows as the program's JSON has them."""

import json
import os
import pathlib
import re

import pyarrow as pa
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
LARGE = SAMPLES / "4.99.3/large/v.txt.zst"
HTTP = SAMPLES / "4.99.3/http/v.txt"


def missing(why):
    """Skips a test that lacks something; where everything must be there, it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def objects(text):
    """The program's JSON Lines: each object without what is false or absent."""
    return [simple(json.loads(line)) for line in text.splitlines()]


def simple(row):
    return {name: value for name, value in row.items() if value is not None and value is not False}


def rows(table):
    """The rows of a table as the program's JSON has them."""
    columns = {name: values(table.column(name)) for name in table.column_names}
    if "time_ns" in columns:
        # Of a plain table.
        columns["time"] = [stamp(n) for n in columns.pop("time_ns")]
    names = list(columns)
    return [simple(dict(zip(names, row))) for row in zip(*columns.values())]


def values(column):
    kind = column.type
    if pa.types.is_timestamp(kind):
        scale = {"timestamp[ns, tz=UTC]": 1, "timestamp[us, tz=UTC]": 1_000}[str(kind)]
        numbers = column.cast(pa.int64()).to_pylist()
        return [stamp(None if n is None else n * scale) for n in numbers]
    if pa.types.is_time64(kind):
        return [clock(n) for n in column.cast(pa.int64()).to_pylist()]
    return column.to_pylist()


def clock(n):
    return None if n is None else f"{digits(n // 10**9)}{fraction(n % 10**9)}"


def digits(seconds):
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def fraction(nanoseconds):
    """Three, six or nine digits, or none."""
    if nanoseconds == 0:
        return ""
    text = f"{nanoseconds:09}"
    while text.endswith("000"):
        text = text[:-3]
    return "." + text


def stamp(n):
    """RFC 3339."""
    if n is None:
        return None
    import datetime

    days, rest = divmod(n, 86_400 * 10**9)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    return f"{date}T{clock(rest)}Z"


def one(value):
    """A stamp with its fraction as `stamp` spells it."""
    found = re.fullmatch(r"(.*:\d\d)(?:\.(\d+))?(Z?)", value)
    if not found:
        return value
    whole, part, zone = found.groups()
    return whole + fraction(int((part or "").ljust(9, "0"))) + zone


def same(expected, found):
    """Compares rows, and shows the first that differs."""
    for number, (a, b) in enumerate(zip(expected, found)):
        if a != b:
            names = [name for name in {*a, *b} if a.get(name) != b.get(name)]
            for name in list(names):
                x, y = a.get(name), b.get(name)
                if isinstance(x, str) and isinstance(y, str) and one(x) == one(y):
                    names.remove(name)
            assert not names, (number, {name: (a.get(name), b.get(name)) for name in names})
    assert len(expected) == len(found)


def texts():
    """Every sample: text, compressed text, captures."""
    found = sorted(path for path in SAMPLES.rglob("*") if path.is_file())
    return [p for p in found if re.search(r"\.(txt|txt\.zst|txt\.gz|pcap)$", p.name)]


def large(folder, records):
    """Text of so many records with stamps of -tt, 10,000 packets a second, from the large sample."""
    import zstandard

    sample = zstandard.ZstdDecompressor().stream_reader(LARGE.open("rb")).read()
    lines = sample.splitlines(keepends=True)
    text = folder / "large.txt"
    count = 0
    with text.open("wb") as file:
        while True:
            for line in lines:
                if line[:1].isdigit():
                    if count == records:
                        return text
                    stamp = b"%d.%06d" % (1_764_550_000 + count // 10_000, count % 10_000 * 100)
                    line = stamp + line[15:]
                    count += 1
                file.write(line)
