from typing import Any, Iterator, Optional, Sequence

import pyarrow as pa

__version__: str

class Error(Exception): ...

class Setup:
    def __init__(
        self,
        *,
        namespace: Optional[str] = None,
        name: str = "namespace",
        engine: str = "slot",
        tz: Optional[str] = None,
        date: Optional[str] = None,
        stamp: Optional[str] = None,
        sensor: Optional[str] = None,
        stream: Optional[str] = None,
        max_record: int = ...,
        keep_info: bool = False,
        keep_payload: bool = False,
        identity: bool = True,
        raw: bool = False,
        plain: bool = False,
    ) -> None: ...
    def schema(self) -> pa.Schema: ...

class Reading:
    def __iter__(self) -> Iterator[pa.RecordBatch]: ...
    def __next__(self) -> pa.RecordBatch: ...
    def close(self) -> None: ...
    @property
    def packets(self) -> int: ...
    @property
    def skipped(self) -> dict[str, int]: ...

class Store:
    def __init__(self, setup: Setup, url: str) -> None: ...
    def write(self, batch: pa.RecordBatch, column: str) -> None: ...
    def close(self) -> dict[str, int]: ...

Scan = tuple[int, bytes, bytes, int, bool]
Before = Optional[tuple[bytes, str]]

def read(setup: Setup, source: Any, *, path: Optional[str] = None, rows: int) -> Reading: ...
def parse_batch(
    setup: Setup, batch: pa.RecordBatch, *, column: str, keep: list[str]
) -> tuple[pa.RecordBatch, int]: ...
def divisible(path: str) -> bool: ...
def scan(setup: Setup, path: str, begin: int, end: int) -> Scan: ...
def fold(
    setup: Setup, path: str, scans: Sequence[Scan]
) -> tuple[str, list[tuple[int, Before] | None]]: ...
def read_range(
    setup: Setup,
    path: str,
    begin: int,
    end: int,
    *,
    stream: str,
    record: int,
    before: Before,
    rows: int,
) -> Reading: ...
