"""Packets a second of one core: `packets(df)` beside the original's way, a Python UDF with its five
regexes, on the same frame and in one session. `python rate.py [RECORDS]` (200,000)."""

import os
import pathlib
import re
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from pyspark.sql import SparkSession, functions as F, types as T
from servers import settings
from values import large

import dumpstream as ds
from dumpstream.spark import packets

FIVE = {
    "time": r"^(\d\d:\d\d:\d\d\.\d+|\d+\.\d+)",
    "source": r"\s([\d\.]+)\s>",
    "destination": r">\s([\d\.]+):",
    "flags": r"Flags \[(.+?)\]",
    "length": r"length (\d+)",
}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings().items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    folder = pathlib.Path(tempfile.mkdtemp())
    raw = ds.read(large(folder, count), raw=True, plain=True).read_all().select(["raw"])
    import pyarrow.parquet

    pyarrow.parquet.write_table(raw, folder / "raw.parquet")
    frame = spark.read.parquet(str(folder / "raw.parquet")).coalesce(1).cache()
    assert frame.count() == count
    patterns = {name: re.compile(pattern) for name, pattern in FIVE.items()}

    @F.udf(T.StructType([T.StructField(name, T.StringType()) for name in FIVE]))
    def original(text):
        text = text.replace("\n    ", " ")
        found = {name: pattern.search(text) for name, pattern in patterns.items()}
        return {name: match and match.group(1) for name, match in found.items()}

    ways = {
        "packets(df), the same five fields": lambda: packets(frame, "raw", fields=list(FIVE)),
        "packets(df), all fields": lambda: packets(frame, "raw"),
        "Python UDF, five regexes": lambda: frame.select(original("raw").alias("r")).select("r.*"),
    }
    times = {name: [] for name in ways}
    for round in range(4):
        for name, way in ways.items():
            begun = time.monotonic()
            # All values are made and thrown away.
            way().write.format("noop").mode("overwrite").save()
            # The first round warms up.
            if round:
                times[name].append(time.monotonic() - begun)
    medians = {name: sorted(all)[len(all) // 2] for name, all in times.items()}
    for name, median in medians.items():
        print(f"{name}: {count / median:,.0f} packets/s, {median / count * 1e6:.2f} s a million")
    five, every, theirs = medians.values()
    print(f"{theirs / five:.1f} times, {theirs / every:.1f} times with all fields")


if __name__ == "__main__":
    main()
