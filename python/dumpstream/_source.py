"""The data source ``tcpdump`` of Spark 4."""

from __future__ import annotations

import os
import typing as t

from pyspark.sql.datasource import (
    DataSource,
    DataSourceReader,
    DataSourceStreamReader,
    InputPartition,
)

from . import _OPTIONS
from .spark import SPLIT, _files, _planned, _Setup, _Start, _visible

#: Options that are no text.
_FLAGS = {"keep_info", "keep_payload", "identity", "raw"}


class Tcpdump(DataSource):
    """Files of tcpdump's text, compressed text and captures."""

    @classmethod
    def name(cls) -> str:
        return "tcpdump"

    def _setup(self) -> _Setup:
        known = {name.lower(): value for name, value in self.options.items()}
        options: dict[str, t.Any] = {}
        for name in _OPTIONS - {"plain"}:
            if name in known:
                value = known.pop(name)
                options[name] = value.lower() == "true" if name in _FLAGS else value
        if "max_record" in options:
            options["max_record"] = int(options["max_record"])
        unknown = sorted(set(known) - {"path", "paths", "split", "splits"})
        if unknown:
            raise ValueError(f"unknown options: {', '.join(unknown)}")
        return _Setup(options)

    def _path(self) -> str:
        if "path" not in self.options:
            raise ValueError('name the files: .load("/data/*.txt")')
        return self.options["path"]

    def schema(self) -> t.Any:
        return self._setup().spark_schema()

    def reader(self, schema: t.Any) -> DataSourceReader:
        splits = self.options.get("splits")
        split = int(self.options.get("split", SPLIT))
        return _Reader(self._setup(), self._path(), split, splits and int(splits))

    def streamReader(self, schema: t.Any) -> DataSourceStreamReader:
        split = int(self.options.get("split", SPLIT))
        return _StreamReader(self._setup(), self._path(), split)


class _Task(InputPartition):
    def __init__(self, start: _Start) -> None:
        super().__init__(tuple(start))

    def read(self, setup: _Setup) -> t.Iterator[t.Any]:
        return _Start(*self.value).read(setup)


class _Reader(DataSourceReader):
    def __init__(self, setup: _Setup, path: str, split: int, splits: int | None) -> None:
        self.setup, self.path, self.split, self.splits = setup, path, split, splits

    def partitions(self) -> t.Sequence[InputPartition]:
        files = _files(self.path)
        return [_Task(start) for start in _planned(self.setup, files, self.split, self.splits)]

    def read(self, partition: t.Any) -> t.Iterator[t.Any]:
        return partition.read(self.setup)


class _StreamReader(DataSourceStreamReader):
    """Each file of a folder once. An offset names the files before it."""

    def __init__(self, setup: _Setup, path: str, split: int) -> None:
        self.setup, self.path, self.split = setup, path, split

    def initialOffset(self) -> dict[str, list[str]]:
        return {"files": []}

    def latestOffset(self) -> dict[str, list[str]]:
        names = [name for name in os.listdir(self.path) if _visible(name)]
        return {"files": sorted(names)}

    def partitions(self, start: t.Any, end: t.Any) -> t.Sequence[InputPartition]:
        new = sorted(set(end["files"]) - set(start["files"]))
        files = [os.path.join(self.path, name) for name in new]
        files = [file for file in files if os.path.isfile(file)]
        return [_Task(begin) for begin in _planned(self.setup, files, self.split, None)]

    def read(self, partition: t.Any) -> t.Iterator[t.Any]:
        return partition.read(self.setup)

    def commit(self, end: t.Any) -> None:
        """Files stay where they are."""
