"""tcpdump's text in Spark: parsed in the executors, in Rust; no row passes through Python.

    from dumpstream.spark import packets
    packets(spark.read.text("joined.txt")).groupBy("source").count().show()

`packets` parses a frame of text, batch or streaming; `read_text` reads large files in parts;
`register` adds ``spark.read.format("tcpdump")`` (Spark 4). `store` writes to a store of dumpstream's,
such as Cassandra, and `cassandra_rows` is for ``spark-cassandra-connector``. The wheel must be
installed on every node, or shipped with ``--archives``.
"""

from __future__ import annotations

import glob as _glob
import os as _os
import typing as _t
import warnings as _warnings
from concurrent.futures import ThreadPoolExecutor as _ThreadPoolExecutor

import pyarrow as _pa

from . import _OPTIONS, MAX_RECORD, ROWS, DumpstreamWarning, _compiled, _count, _dumpstream

if _t.TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["cassandra_rows", "packets", "read_text", "register", "store"]

#: Size of the parts of a file, in bytes: what Spark's own readers take.
SPLIT = 128 << 20

#: What is known of a record beside its text: as Spark reads a topic, or as `packets` has it.
_TOPIC = ("topic", "partition", "offset")
_BESIDE_TOPIC = ("key", "timestamp", "headers")
_PLACE = ("sensor", "stream", "record")
_BESIDE_PLACE = ("time", "time_ns", "time_source", "truncated")


def packets(
    df: DataFrame,
    column: str = "value",
    *,
    fields: _t.Sequence[str] | None = None,
    unparsed: _t.Any = None,
    **options: _t.Any,
) -> DataFrame:
    """The packets of a frame of text, a record in each row: batch or streaming.

    ``column`` is text or binary: all lines of a record, or the one line of ``dumpstream serve
    --joined``. A row without a packet gives none; ``unparsed`` may be an accumulator
    (``spark.sparkContext.accumulator(0)``), which counts them.

    The columns are those of `dumpstream.read`, as types that Spark has: ports are ``int``, texts
    ``string``, and ``time`` is a ``timestamp`` of microseconds, with ``time_ns``, nanoseconds since
    1970, beside it. ``sensor``, ``stream`` and ``record`` are there if the frame says where a
    record comes from:

    - a Kafka topic (``topic``, ``partition``, ``offset``): as by ``dumpstream consume``. Read it
      with ``includeHeaders``, so that what ``dumpstream -o kafka:`` knows of a record is used;
    - columns ``sensor``, ``stream`` and ``record`` of its own.

    ``fields`` names the columns that are needed. Spark cannot see that the others are not used, and
    takes longer for them than the parse does.

    ``options`` are those of `dumpstream.read`. Time stamps without a zone are read in UTC unless
    ``tz`` says otherwise, since executors may be in several zones. The time of a stamp without a
    date is the one nearest to the message's.
    """
    placed = _places(df.columns)
    setup = _Setup({"identity": bool(placed), **options})
    schema = setup.spark_schema()
    if fields is not None:
        unknown = [name for name in fields if name not in schema.names]
        if unknown:
            raise ValueError(f"there are no fields {', '.join(unknown)}")
        schema = type(schema)([schema[name] for name in fields])

    def parse(batches: _t.Iterator[_pa.RecordBatch]) -> _t.Iterator[_pa.RecordBatch]:
        compiled = setup.compiled()
        for batch in batches:
            found, without = _dumpstream.parse_batch(compiled, batch, column=column, keep=[])
            if without and unparsed is not None:
                unparsed.add(without)
            yield found if fields is None else found.select(list(fields))

    return df.select(column, *placed).mapInArrow(parse, schema)


def read_text(
    spark: SparkSession,
    path: str | _t.Sequence[str],
    *,
    split: int = SPLIT,
    splits: int | None = None,
    **options: _t.Any,
) -> DataFrame:
    """The packets of text files, read in parts by several tasks: the rows of ``dumpstream parse`` of
    each file.

    ``path`` is a file, a pattern such as ``/data/*.txt``, or several; every executor must find the
    files under it. Parts are ``split`` bytes long, or there are ``splits`` of each file.

    A record belongs to the part in which its first byte lies: a task begins at the first line there
    that begins a record, and reads on behind the end of its part up to the next such line. So no
    record is lost or read twice. Ordinals and dates count from the beginning of a file; therefore a
    file of several parts is read twice: now, to count, and by the frame. Compressed files, captures,
    text without time stamps (``-t``), and of time stamps that are differences (``-ttt``) are read by
    one task each.
    """
    setup = _Setup(options)
    schema = setup.spark_schema()
    context = spark.sparkContext

    def scans(parts: list[_Part]) -> list[_t.Any]:
        return context.parallelize(parts, len(parts)).map(lambda part: part.scan(setup)).collect()

    starts = _planned(setup, _files(path), split, splits, scans)

    def read(batches: _t.Iterator[_pa.RecordBatch]) -> _t.Iterator[_pa.RecordBatch]:
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield from starts[index].read(setup)

    numbers = context.parallelize([(i,) for i in range(len(starts))], max(1, len(starts)))
    return spark.createDataFrame(numbers, "part int").mapInArrow(read, schema)


def store(df: DataFrame, url: str, column: str = "value", **options: _t.Any) -> dict[str, int]:
    """Parses a frame of records and writes the packets to an output of dumpstream's
    (``cassandra://HOST/KEYSPACE.TABLE``): each task by itself, without a detour through Spark's
    rows. Returns how many ``packets`` there were, and how many were ``delivered`` and ``rejected``;
    ``unparsed`` rows had none.

    The frame must say where a record comes from, as for `packets`: then a row is the same however
    often it is written, so that a task that runs again adds none. With Structured Streaming:

        stream.writeStream.foreachBatch(lambda df, epoch: store(df, url))

    A task waits while the store is away, and fails if it cannot be written to.
    """
    placed = _places(df.columns)
    if not placed:
        raise ValueError(
            "store needs to know where a record comes from: the columns topic, partition and "
            "offset, as of a Kafka topic, or sensor, stream and record"
        )
    setup = _Setup(options)
    names = ["packets", "unparsed", "delivered", "rejected"]

    def write(batches: _t.Iterator[_pa.RecordBatch]) -> _t.Iterator[_pa.RecordBatch]:
        output = None
        for batch in batches:
            output = output or _dumpstream.Store(setup.compiled(), url)
            output.write(batch, column)
        if output is not None:
            figures = output.close()
            yield _pa.record_batch({name: [figures[name]] for name in names})

    figures = df.select(column, *placed).mapInArrow(write, ", ".join(f"{n} long" for n in names))
    total = dict.fromkeys(names, 0)
    for row in figures.collect():
        for name in names:
            total[name] += row[name]
    if total["rejected"]:
        _warnings.warn(
            f"{_count(total['rejected'], 'packet')} rejected by {url}", DumpstreamWarning, 2
        )
    return total


def cassandra_rows(df: DataFrame, *, bucket: int = 60, shards: int = 4) -> DataFrame:
    """Packets as rows of dumpstream's own table in Cassandra, for ``spark-cassandra-connector``: with
    the columns of its key. ``bucket`` (seconds) and ``shards`` are those of the table.

        rows.write.format("org.apache.spark.sql.cassandra").options(keyspace="pk", table="packets")
            .option("spark.cassandra.output.ignoreNulls", "true").mode("append").save()

    A row that is written twice is the same row. Create the table first: ``dumpstream schema
    cassandra`` prints it.
    """
    from pyspark.sql import functions as F

    missing = [name for name in (*_PLACE, "time_ns") if name not in df.columns]
    if missing:
        raise ValueError(f"the frame lacks {', '.join(missing)}: it must say where packets come from")
    # Exact: a double has not enough digits for nanoseconds of today.
    ms = F.expr("(time_ns - pmod(time_ns, 1000000L)) DIV 1000000L")
    rows = df.withColumn("_ms", ms)
    rows = rows.withColumn("bucket", F.expr(f"timestamp_millis(_ms - pmod(_ms, {bucket * 1000}L))"))
    rows = rows.withColumn("shard", F.expr(f"CAST((record DIV 64) % {shards} AS SMALLINT)"))
    rows = rows.withColumn("time", F.expr("timestamp_millis(_ms)"))
    rows = rows.withColumn("time_ns", F.expr("CAST(pmod(time_ns, 1000000L) AS INT)"))
    return rows.drop("_ms")


def register(spark: SparkSession) -> None:
    """Adds the data source ``tcpdump`` (Spark 4): ``spark.read.format("tcpdump").load(path)`` reads
    files as `read_text` does, and ``spark.readStream.format("tcpdump").load(folder)`` each file of a
    folder once, as it appears. Options are those of `read_text`, as text."""
    try:
        from ._source import Tcpdump
    except ImportError:
        import pyspark

        raise RuntimeError(
            f"Spark {pyspark.__version__} has no data sources in Python; Spark 4 has them. "
            "dumpstream.spark.read_text reads files with any version"
        ) from None
    spark.dataSource.register(Tcpdump)


# --- schemas ---


class _Setup:
    """The options, as they travel to the executors: a namespace by its text, not by its path."""

    def __init__(self, options: dict[str, _t.Any]) -> None:
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise TypeError(f"unknown options: {', '.join(unknown)}")
        options = {"engine": "slot", "tz": "UTC", "max_record": MAX_RECORD, **options}
        options["plain"] = True
        namespace = options.pop("namespace", None)
        self.text, self.name = None, ""
        if namespace is not None:
            self.name = _os.fspath(namespace)
            with open(namespace, encoding="utf-8") as file:
                self.text = file.read()
        self.options = {
            **dict.fromkeys(("date", "stamp", "sensor", "stream")),
            **dict.fromkeys(("keep_info", "keep_payload", "raw"), False),
            "identity": True,
            **options,
        }
        # Wrong ones are found on the driver.
        self.compiled()

    def compiled(self) -> _dumpstream.Setup:
        return _compiled(self.text, self.name, **self.options)

    def spark_schema(self) -> StructType:
        from pyspark.sql import types as T

        kinds = {
            "string": T.StringType(),
            "int32": T.IntegerType(),
            "int64": T.LongType(),
            "double": T.DoubleType(),
            "bool": T.BooleanType(),
            "timestamp[us, tz=UTC]": T.TimestampType(),
        }

        def field(of: _pa.Field) -> T.StructField:
            doc = (of.metadata or {}).get(b"doc")
            metadata = {"comment": doc.decode()} if doc else {}
            return T.StructField(of.name, kinds[str(of.type)], True, metadata)

        return T.StructType([field(of) for of in self.compiled().schema()])


def _places(columns: _t.Sequence[str]) -> list[str]:
    """The columns that say where a record comes from."""
    for needed, beside in ((_TOPIC, _BESIDE_TOPIC), (_PLACE, _BESIDE_PLACE)):
        if all(name in columns for name in needed):
            return [*needed, *(name for name in beside if name in columns)]
    return []


# --- parts of files ---


class _Part(_t.NamedTuple):
    """Bytes of a file; of one that is read as a whole, all."""

    path: str
    begin: int
    end: int
    several: bool

    def scan(self, setup: _Setup) -> _t.Any:
        return _dumpstream.scan(setup.compiled(), self.path, self.begin, self.end)


class _Start(_t.NamedTuple):
    """A part, and what must be known to read it; without a stream, the whole file."""

    path: str
    begin: int = 0
    end: int = 0
    stream: str | None = None
    record: int = 1
    before: tuple[bytes, str] | None = None

    def read(self, setup: _Setup) -> _t.Iterator[_pa.RecordBatch]:
        compiled = setup.compiled()
        if self.stream is None:
            yield from _dumpstream.read(compiled, None, path=self.path, rows=ROWS)
        else:
            yield from _dumpstream.read_range(
                compiled, self.path, self.begin, self.end, stream=self.stream, record=self.record,
                before=self.before, rows=ROWS,
            )


def _files(path: str | _t.Sequence[str]) -> list[str]:
    paths = [path] if isinstance(path, (str, _os.PathLike)) else list(path)
    files = []
    for one in map(_os.fspath, paths):
        if one.startswith("file:"):
            one = one[5:]
            one = one[2:] if one.startswith("//") else one
        if _os.path.isdir(one):
            found = [_os.path.join(one, name) for name in _os.listdir(one)]
            found = [file for file in found if _visible(file) and _os.path.isfile(file)]
        else:
            found = [one] if _os.path.exists(one) else _glob.glob(one)
        if not found:
            raise FileNotFoundError(f"{one}: no such file")
        files.extend(sorted(found))
    return files


def _visible(file: str) -> bool:
    """As Spark has it: files that are being written begin so."""
    return not _os.path.basename(file).startswith(("_", "."))


def _parts(file: str, split: int, splits: int | None) -> list[_Part]:
    size = _os.path.getsize(file)
    if splits is not None:
        split = -(-size // max(1, splits))
    split = max(1, split)
    if size <= split or not _dumpstream.divisible(file):
        return [_Part(file, 0, size, False)]
    return [_Part(file, at, min(at + split, size), True) for at in range(0, size, split)]


def _starts(
    setup: _Setup, files: list[str], parts: list[_Part], scans: dict[_Part, _t.Any]
) -> list[_Start]:
    starts = []
    for file in files:
        mine = [part for part in parts if part.path == file]
        if not mine[0].several:
            starts.append(_Start(file))
            continue
        found = [scans[part] for part in mine]
        stream, begins = _dumpstream.fold(setup.compiled(), file, found)
        if not begins:
            starts.append(_Start(file))
            continue
        for part, scan, begin in zip(mine, found, begins):
            # A record may be longer than a part.
            if not scan[0]:
                continue
            if begin is None:
                # Only the part before it knows the times here.
                starts[-1] = starts[-1]._replace(end=part.end)
            else:
                starts.append(_Start(file, part.begin, part.end, stream, *begin))
    return starts


def _planned(
    setup: _Setup,
    files: list[str],
    split: int,
    splits: int | None,
    scan: _t.Callable[[list[_Part]], list[_t.Any]] | None = None,
) -> list[_Start]:
    """What each task reads; ``scan`` counts what parts have, by default threads of this process."""

    def by_threads(parts: list[_Part]) -> list[_t.Any]:
        with _ThreadPoolExecutor(_os.cpu_count()) as pool:
            return list(pool.map(lambda part: part.scan(setup), parts))

    parts = [part for file in files for part in _parts(file, split, splits)]
    several = [part for part in parts if part.several]
    scans = dict(zip(several, (scan or by_threads)(several))) if several else {}
    return _starts(setup, files, parts, scans)
