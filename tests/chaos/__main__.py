"""`make chaos KILLS=200 SEED=1`: faults by a seeded schedule, and in the last line what they lost and doubled."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import typer

from tests.chaos.measure import Verdict
from tests.chaos.scenarios import RATE, Bounds, all_scenes

SHOWN = 20


def main(
    kills: int = typer.Option(200, min=1, help="How often a worker is killed with SIGKILL."),
    seed: int = typer.Option(1, help="The same seed gives the same schedule of faults."),
    minutes: float = typer.Option(60, min=0.1, help="No fault begins after so many minutes."),
    rate: int = typer.Option(RATE, min=1, max=5000, help="Events a second."),
) -> None:
    """Run the fault suite. Exit code 1 unless nothing was lost, nothing doubled, and all counts agree."""
    began = time.monotonic()

    def say(text: str) -> None:
        typer.echo(f"[{time.monotonic() - began:7.1f} s] {text}")

    folder = Path(tempfile.mkdtemp(prefix="cakupan-chaos-"))
    outcome = all_scenes(folder, Bounds(kills, seed, began + minutes * 60, rate), say)
    verdict = outcome.verdict
    _tell(verdict)
    typer.echo(f"{outcome.passed:,} records passed on to provinces, and {outcome.repeated:,} deliveries more, repeated")
    if verdict.right:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        typer.echo(f"what the parts said is kept in {folder}")
    typer.echo(f"kills {outcome.kills}, lost {verdict.lost}, doubled {verdict.doubled}, seed {seed}")
    sys.exit(0 if verdict.right else 1)


def _tell(verdict: Verdict) -> None:
    for text in verdict.wrong[:SHOWN]:
        typer.echo(f"  {text}")
    if verdict.right:
        typer.echo(f"{verdict.events:,} distinct events: the tables, the API, the recount and the oracle agree")
    else:
        typer.echo(f"{len(verdict.wrong):,} things do not agree")


if __name__ == "__main__":
    typer.run(main)
