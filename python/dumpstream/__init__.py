"""tcpdump's text as typed packets, in Arrow record batches.

>>> import dumpstream
>>> text = b"22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\\n"
>>> table = dumpstream.read(text, date="2026-11-24", tz="UTC", sensor="gate").read_all()
>>> table.select(["source", "source_port", "payload_length"]).to_pylist()
[{'source': '10.0.0.1', 'source_port': 53, 'payload_length': 27}]

The columns are those of ``dumpstream parse``: `schema` has their types and what they mean. A value
that tcpdump did not print is null.
"""

from __future__ import annotations

import functools as _functools
import os as _os
import typing as _t
import warnings as _warnings

import pyarrow as _pa

from . import _dumpstream
from ._dumpstream import Error, __version__

__all__ = ["DumpstreamWarning", "Error", "parse_batch", "read", "schema"]

#: Longest record, in bytes; the rest of a longer one is skipped and counted.
MAX_RECORD = 1 << 20

#: A batch of `read` has at least so many rows, but for the last.
ROWS = 1 << 16

#: The arguments that say how text is read; `spark` takes them, too.
_OPTIONS = frozenset(
    "namespace engine tz date stamp sensor stream max_record keep_info keep_payload identity raw "
    "plain".split()
)


class DumpstreamWarning(UserWarning):
    """Some of the text is not in the packets: the warning says how much, and why."""


def read(
    source: _t.Any,
    *,
    namespace: str | _os.PathLike[str] | None = None,
    engine: str = "slot",
    tz: str | None = None,
    date: str | None = None,
    stamp: str | None = None,
    sensor: str | None = None,
    stream: str | None = None,
    max_record: int = MAX_RECORD,
    keep_info: bool = False,
    keep_payload: bool = False,
    identity: bool = True,
    raw: bool = False,
    plain: bool = False,
    rows: int = ROWS,
) -> _pa.RecordBatchReader:
    """Reads packets from text, compressed text or a capture, batch by batch.

    ``source`` is a path (``str`` or ``os.PathLike``), ``bytes``, a binary file object, or an
    iterable of ``bytes``. What it holds is detected from its first bytes, as by ``dumpstream
    parse``: tcpdump's text, ``.gz`` or ``.zst`` of it, or a capture, which tcpdump prints. The rows
    are those of ``dumpstream parse`` of the same input.

    - ``namespace``: a file like ``packet_parse.json``, with fields of your own.
    - ``engine``: ``slot``, or ``regex`` to take every field from its regex.
    - ``tz``: the zone of time stamps, an IANA name, ``UTC`` or ``local`` (the default).
    - ``date``: ``YYYY-MM-DD``, of the first time stamp, if they have none; else the date of the
      file's last change is used.
    - ``stamp``: whether relative time stamps are ``delta`` (``-ttt``) or ``elapsed`` (``-ttttt``).
    - ``sensor``, ``stream``: the values of these columns; by default the file's name, and a hash
      of the sensor and the first packet.
    - ``max_record``: longest record, in bytes.
    - ``keep_info``: the decoder's text also for protocols that may print credentials.
    - ``keep_payload``: payload lines.
    - ``identity``: the columns ``sensor``, ``stream``, ``record`` and ``time_source``.
    - ``raw``: the column ``raw``, each record's own text.
    - ``plain``: no dictionaries, unsigned integers, times of day or nanoseconds, for engines that
      have none: ``time`` has microseconds, and ``time_ns`` is an integer beside it.
    - ``rows``: the least number of rows of a batch, but for the last.

    The interpreter is free for other threads while text is parsed. Bytes that belong to no packet
    are counted; at the end a `DumpstreamWarning` says so. Raises ``FileNotFoundError`` and other
    ``OSError`` if the input cannot be read, ``ValueError`` for wrong arguments, a wrong namespace
    and the text of ``tcpdump -A``, and whatever an iterable raises. Rows before an error come
    first.

    >>> chunks = iter([b"1700000000.500000 ARP, Request who-has 10.0.0.1 tell", b" 10.0.0.2, length 28\\n"])
    >>> read(chunks).read_all().column("arp_op").to_pylist()
    ['Request']
    """
    setup = _setup(
        namespace, engine, tz, date, stamp, sensor, stream, max_record, keep_info, keep_payload,
        identity, raw, plain,
    )
    if rows < 1:
        raise ValueError("rows must be at least 1")
    if isinstance(source, (str, _os.PathLike)):
        reading = _dumpstream.read(setup, None, path=_os.fspath(source), rows=rows)
    else:
        reading = _dumpstream.read(setup, source, rows=rows)
    return _pa.RecordBatchReader.from_batches(setup.schema(), _batches(reading))


def parse_batch(
    batch: _pa.RecordBatch,
    column: str = "value",
    *,
    keep: _t.Sequence[str] = (),
    namespace: str | _os.PathLike[str] | None = None,
    engine: str = "slot",
    tz: str | None = None,
    date: str | None = None,
    stamp: str | None = None,
    sensor: str | None = None,
    stream: str | None = None,
    max_record: int = MAX_RECORD,
    keep_info: bool = False,
    keep_payload: bool = False,
    identity: bool = True,
    raw: bool = False,
    plain: bool = False,
) -> _pa.RecordBatch:
    """Parses a column of text (or binary), in which each row is a record: all its lines, or the one
    line of ``dumpstream serve --joined``.

    Returns a row for each packet: none for a row that holds none (a `DumpstreamWarning` says how
    many), several for a row with several. ``keep`` names columns of ``batch`` to repeat beside the
    packets. The other arguments are those of `read`.

    Where a packet comes from is taken from other columns, if they are there:

    - ``topic``, ``partition``, ``offset`` and if they are there ``key``, ``timestamp`` and
      ``headers``, as Spark reads a Kafka topic: the sensor is that of the header, else the key, else
      the topic; the stream is ``TOPIC/PARTITION``, the record ``offset + 1``. These are the rows of
      ``dumpstream consume``.
    - ``sensor``, ``stream``, ``record`` and if they are there ``time``, ``time_source`` and
      ``truncated``: taken over, as of the column ``raw`` of packets that are parsed again.
    - Without them, records are numbered in the order of the batch.

    >>> text = "1700000000.500000 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28"
    >>> batch = _pa.record_batch({"value": [text], "room": [7]})
    >>> parse_batch(batch, keep=["room"]).select(["arp_op", "room"]).to_pylist()
    [{'arp_op': 'Request', 'room': 7}]
    """
    setup = _setup(
        namespace, engine, tz, date, stamp, sensor, stream, max_record, keep_info, keep_payload,
        identity, raw, plain,
    )
    packets, unparsed = _dumpstream.parse_batch(setup, batch, column=column, keep=list(keep))
    if unparsed:
        _warnings.warn(f"{_count(unparsed, 'row')} without a packet", DumpstreamWarning, 2)
    return packets


def schema(
    namespace: str | _os.PathLike[str] | None = None,
    *,
    keep_payload: bool = False,
    identity: bool = True,
    raw: bool = False,
    plain: bool = False,
) -> _pa.Schema:
    """The schema of the batches of `read` with these arguments. The metadata ``doc`` of a field says
    what it is.

    >>> schema().field("source_port").type
    DataType(uint16)
    """
    return _setup(
        namespace, "slot", "UTC", None, None, None, None, MAX_RECORD, False, keep_payload,
        identity, raw, plain,
    ).schema()


def _setup(namespace: _t.Any, *options: _t.Any) -> _dumpstream.Setup:
    if namespace is None:
        return _compiled(None, "", *options)
    path = _os.fspath(namespace)
    with open(path, encoding="utf-8") as file:
        return _compiled(file.read(), _os.fsdecode(path), *options)


@_functools.lru_cache(maxsize=32)
def _compiled(
    namespace: str | None, name: str, engine: str, tz: str | None, date: str | None,
    stamp: str | None, sensor: str | None, stream: str | None, max_record: int, keep_info: bool,
    keep_payload: bool, identity: bool, raw: bool, plain: bool,
) -> _dumpstream.Setup:
    return _dumpstream.Setup(
        namespace=namespace, name=name, engine=engine, tz=tz, date=date, stamp=stamp,
        sensor=sensor, stream=stream, max_record=max_record, keep_info=keep_info,
        keep_payload=keep_payload, identity=identity, raw=raw, plain=plain,
    )


_REASONS = {
    "preamble": "before the first packet",
    "late": "that are no packet's",
    "oversize": "of packets over the limit (max_record)",
    "messages": "of messages among the packets",
}


def _batches(reading: _dumpstream.Reading) -> _t.Iterator[_pa.RecordBatch]:
    try:
        yield from reading
        skipped = reading.skipped
        parts = [
            f"{_count(skipped[reason], 'byte')} {where}"
            for reason, where in _REASONS.items()
            if skipped[reason]
        ]
        if skipped["unserved"]:
            parts.append(f"{_count(skipped['unserved'], 'packet')} that the sender left out")
        if not reading.packets:
            parts.insert(0, "no packets found")
        if parts:
            _warnings.warn("skipped: " + ", ".join(parts), DumpstreamWarning, 2)
    finally:
        reading.close()


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
