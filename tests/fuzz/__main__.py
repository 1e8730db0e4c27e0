"""`make fuzz RECORDS=1000000 SEED=1`: mutated records through the decoder, and in the last line what came of them."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import typer

from tests.fuzz.run import Tally, fuzz

PART = 10_000
SHOWN = 20


def main(
    records: int = typer.Option(1_000_000, min=1, help="How many mutated records."),
    seed: int = typer.Option(1, help="The same seed gives the same records."),
) -> None:
    """Fuzz the decoder. Exit code 1 unless no reader crashed and every record became its row or was refused."""
    began = time.monotonic()
    tally = Tally()
    sizes = [PART] * (records // PART) + [records % PART] * (records % PART > 0)
    with (
        tempfile.TemporaryFile() as panics,
        ProcessPoolExecutor(initializer=_quiet, initargs=(panics.fileno(),)) as pool,
    ):
        parts = {pool.submit(fuzz, size, seed, part): part for part, size in enumerate(sizes)}
        for each in as_completed(parts):
            try:
                tally.add(each.result())
            except BrokenProcessPool as error:  # what no handler catches: the process is gone, and its records with it
                tally.crashes.append(f"part {parts[each]}: {error}")
            typer.echo(f"[{time.monotonic() - began:7.1f} s] {tally.records:,} of {records:,}")
    _tell(tally)
    typer.echo(
        f"fuzzed {tally.records:,} records, decoded {tally.decoded:,}, dead {tally.dead:,}, "
        f"crashes {len(tally.crashes)}, wrong rows {len(tally.wrong)}, seed {seed}"
    )
    sys.exit(1 if tally.crashes or tally.wrong else 0)


def _quiet(panics: int) -> None:
    """polars writes every panic to standard error, caught or not: a hundred thousand of them are expected here."""
    os.dup2(panics, sys.stderr.fileno())


def _tell(tally: Tally) -> None:
    for text in [*tally.crashes, *tally.wrong][:SHOWN]:
        typer.echo(f"  {text}")
    typer.echo(f"{tally.beside:,} good records beside them")


if __name__ == "__main__":
    typer.run(main)
