"""`make bench`."""

from __future__ import annotations

from collections.abc import Callable

import typer

from benchmarks import (
    api,
    decode,
    fanout,
    freshness,
    ingest,
    integrity,
    live,
    measures,
    memory,
    page,
    rebuild,
    scale,
    speed,
    start,
    stream,
)
from benchmarks.result import Result

BENCHMARKS: dict[str, tuple[Callable[[int], Result], int]] = {
    "decode": (decode.run, 400_000),
    "ingest": (ingest.run, 1_000_000),
    "integrity": (integrity.run, 1_000_000),
    "memory": (memory.run, 2_000_000),
    "scale": (scale.run, 66_000_000),
    "api": (api.run, 60_000_000),
    "measures": (measures.run, 2_000_000),
    "freshness": (freshness.run, 60_000_000),
    "live": (live.run, 2_000),
    "page": (page.run, 2_000_000),
    "rebuild": (rebuild.run, 10_000_000),
    "start": (start.run, 3),
    "stream": (stream.run, 2_000),
    "fanout": (fanout.run, 1_000_000),
}


def main(
    name: str = typer.Argument(None, help=f"One of {', '.join(BENCHMARKS)}; all if left out."),
    events: int = typer.Option(
        0,
        min=0,
        help="How many events; people stored for api, measures, freshness and page, listeners for live and"
        " stream, starts for start. 0: the benchmark's own number.",
    ),
) -> None:
    """Run benchmarks: each compares in one run, prints a table and writes benchmarks/results/NAME.json."""
    if name is not None and name not in BENCHMARKS:
        raise typer.BadParameter(f"must be one of {', '.join(BENCHMARKS)}")
    for each in [name] if name else BENCHMARKS:
        run, default = BENCHMARKS[each]
        before = speed.now()
        result = run(events or default)
        result.speed = {name: [before[name], after] for name, after in speed.now().items()}
        result.show()
        typer.echo(f"written to {result.write()}")


if __name__ == "__main__":
    typer.run(main)
