"""The program, to compare with."""

import os
import pathlib
import subprocess

import pytest
from values import ROOT, missing


@pytest.fixture(scope="session")
def dumpstream():
    """The program, to compare with."""
    program = pathlib.Path(os.environ.get("DUMPSTREAM", ROOT / "target/release/dumpstream"))
    if not program.exists():
        missing(f"no {program}: `cargo build --release` makes it")

    def run(*arguments, **more):
        command = [program, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, **more).stdout

    return run
