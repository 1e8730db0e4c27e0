"""How fast the machine was: the same code took up to twice as long in another hour, with nothing else on it.

Neighbours on the same processor show in what memory and Python take. Files show a file system without a journal: it
walks past all that was deleted in the last five minutes whenever one is made, and ClickHouse makes a dozen a part.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

FILES = 1000
ROUNDS = 3


def now() -> dict[str, float]:
    """By what is done, what it takes at the moment; the unit is in the name."""
    return {
        "a million strings, ms": 1000 * _least(lambda: [str(each) for each in range(1_000_000)]),
        "five million additions, ms": 1000 * _least(lambda: sum(each + 1 for each in range(5_000_000))),
        "a file, µs": 1_000_000 * _a_file(),
    }


def _least(work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _a_file() -> float:
    """Seconds, without what deleting takes, in the folder where the parts' folders are."""
    with tempfile.TemporaryDirectory(prefix="cakupan-bench-") as folder:
        return _seconds(lambda: [Path(folder, str(each)).write_bytes(b"") for each in range(FILES)]) / FILES
