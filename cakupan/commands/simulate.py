"""`cakupan simulate`: made-up people on real ground."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import typer

from cakupan.loading import publish_planned, publish_reference
from cakupan.report import emit_json, out, progress
from cakupan.scenario import Planned, nation, sambas
from cakupan.settings import read_settings

app = typer.Typer(
    no_args_is_help=True,
    help="Publish a scenario: made-up people on real ground. Every source is labelled synthetic.",
)
SEED = typer.Option(1, min=0, help="The same seed gives the same events.")
JSON = typer.Option(False, "--json", help="Report as JSON.")


@app.callback()
def group() -> None:
    """Publish a scenario, and the real denominators, targets and published figures with it."""


@app.command("sambas", epilog="Example: `cakupan simulate sambas --seed 1`")
def simulate_sambas(seed: int = SEED, json_: bool = JSON) -> None:
    """Sambas Regency, 2023-02-01 to 2024-06-30: 43,336 people domiciled there are active at the end."""
    _simulate(f"Sambas, seed {seed}", sambas(seed), json_)


@app.command("nation", epilog="Example: `cakupan simulate nation --people 1000000 --seed 1`")
def simulate_nation(
    people: int = typer.Option(100_000, min=1, max=60_000_000, help="People active at the end."),
    seed: int = SEED,
    json_: bool = JSON,
) -> None:
    """All 514 regencies and cities, at any size up to 60 million active people, in bounded memory."""
    _simulate(f"nation, {people:,} people, seed {seed}", nation(people, seed), json_)


def _simulate(title: str, planned: Iterable[Planned], json_: bool) -> None:
    bootstrap = read_settings().kafka_bootstrap
    reference = publish_reference(bootstrap)
    with progress(f"publishing {title}") as step:
        types = publish_planned(bootstrap, planned, step)
    _tell(title, types, reference, json_)


def _tell(title: str, types: Counter[str], reference: int, json_: bool) -> None:
    if json_:
        emit_json({"scenario": title, "synthetic": True, "events": dict(types), "reference_events": reference})
        return
    out.print(f"{title}: {sum(types.values()):,} synthetic events published, {reference} reference events beside them")
    for name, count in types.most_common():
        out.print(f"  {name:24} {count:>10,}")
