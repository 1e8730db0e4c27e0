"""`cakupan receipts`: what topics held, signed, and whether a copy of them is complete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cakupan import wiring
from cakupan.report import EXIT_WRONG, emit_json, fail, out
from cakupan.settings import Settings, read_settings

if TYPE_CHECKING:
    import polars as pl
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from events.copies import Finding
    from events.receipts import Receipt

app = typer.Typer(no_args_is_help=True, help="Signed counts of what topics held; whether a copy is complete.")

TOLD = 50

_SAID = {
    "missing": "of {expected:,} events {lacking:,} are missing",
    "different": "{found:,} events instead of {expected:,}, or others",
    "unexpected": "{found:,} events, and none were passed on",
    "unsigned": "the receipt is not signed by this key",
}


@app.callback()
def group() -> None:
    """Signed counts of what topics held; whether a copy is complete."""


@app.command(epilog="Example: `cakupan receipts check copy.csv --receipts receipts.ndjson --public-key cakupan.pub`")
def check(
    copy: str = typer.Argument(..., metavar="COPY", help=".csv, .ndjson or .parquet; with --kafka a topic's name."),
    receipts: str = typer.Option("", "--receipts", metavar="FILE", help="Receipts, one a line; left out: from Kafka."),
    public_key: str = typer.Option("", "--public-key", metavar="FILE", help="Left out: the one in the data folder."),
    kafka: bool = typer.Option(False, "--kafka", help="Read the topic COPY itself instead of a file."),
    since: str = typer.Option("", "--since", metavar="HOUR", help="Leave out what arrived before, 2026-11-25T01."),
    until: str = typer.Option("", "--until", metavar="HOUR", help="Leave out what arrived then or later."),
    json_: bool = typer.Option(False, "--json", help="Report as JSON."),
) -> None:
    """Compare a copy of a province's topics with their receipts: complete, or where to fetch again what is missing.

    COPY has a row an event with topic and event_id, time (the header cakupan_arrived) or partition and offset, and
    region (ce_subject), without which whole hours are compared. The exit code is 0 if all is there, 1 if anything
    differs, 2 for a copy or a receipt that can't be read.
    """
    from events import copies

    settings = read_settings()
    public = _public(settings, public_key)
    held = _topic(settings, copy) if kafka else copies.read(_file(copy))
    checked = copies.check(_receipts(settings, receipts, held), held, public, since, until)
    if not checked.receipts and not checked.findings:
        fail("there is no receipt for the topics, hours and regions of this copy; they come when an hour is over")
    if json_:
        emit_json({**asdict(checked), "complete": not checked.findings})
    else:
        _say(checked.findings, checked.events, checked.too_new)
    raise typer.Exit(EXIT_WRONG if checked.findings else 0)


@app.command("list", epilog="Example: `cakupan receipts list ikd.p61.receipt.v1 > receipts.ndjson`")
def list_(topic: str = typer.Argument(..., metavar="TOPIC", help="Such as ikd.p61.receipt.v1.")) -> None:
    """Print the receipts of a topic, one a line, as `check --receipts` takes them."""
    from streams.log_reader import LogReader
    from streams.receipts import read_receipts

    with LogReader(read_settings().kafka_bootstrap, "cakupan-receipts-list") as reader:
        if topic not in reader.topics():
            fail(f"there is no topic {topic}")
        for each in read_receipts(reader, topic):
            typer.echo(each.to_json())


@app.command(epilog="Example: `cakupan receipts key > cakupan.pub`")
def key() -> None:
    """Print the public key that receipts can be checked with: hand it to the provinces, on another way than Kafka."""
    typer.echo(wiring.receipt_key(read_settings()).public_pem, nl=False)


def _say(findings: list[Finding], events: int, too_new: int) -> None:
    out.print(f"{events:,} rows of the copy compared; {too_new:,} are of hours without a receipt yet, or left out")
    for each in findings[:TOLD]:
        said = _SAID[each.kind].format(**vars(each), lacking=each.expected - each.found)
        where = ", ".join(f"partition {p} offsets {low}-{high}" for p, (low, high) in sorted(each.offsets.items()))
        again = f"; fetch again {where}" if where and each.kind != "unsigned" else ""
        out.print(f"  {each.topic}, region {each.region}, hour {each.hour}: {said}{again}", markup=False)
    if len(findings) > TOLD:
        out.print(f"  and {len(findings) - TOLD:,} more; --json has all")
    if findings:
        out.print(f"{len(findings):,} differences", style="red")
    else:
        out.print("the copy is complete", style="green")


def _file(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        fail(f"COPY: there is no file {name}")
    return path


def _public(settings: Settings, name: str) -> Ed25519PublicKey:
    from events.receipts import public_of

    path = Path(name) if name else wiring.public_receipt_key(settings)
    if not path.is_file():
        fail(f"there is no file {path}: name the public key with --public-key (cakupan receipts key prints it)")
    return public_of(path)


def _topic(settings: Settings, topic: str) -> pl.DataFrame:
    from streams.log_reader import LogReader
    from streams.receipts import read_copy

    with LogReader(settings.kafka_bootstrap, "cakupan-receipts-check") as reader:
        if topic not in reader.topics():
            fail(f"COPY: there is no topic {topic}")
        return read_copy(reader, topic)


def _receipts(settings: Settings, name: str, held: pl.DataFrame) -> list[Receipt]:
    from events.receipts import from_json

    if name:
        if not Path(name).is_file():
            fail(f"--receipts: there is no file {name}")
        lines = Path(name).read_text(encoding="utf-8").splitlines()
        return [from_json(line) for line in lines if line.strip()]
    from streams.log_reader import LogReader
    from streams.receipts import read_receipts, receipt_topic

    topics = sorted({receipt_topic(each) for each in held["topic"].unique() if each.count(".") > 1})
    with LogReader(settings.kafka_bootstrap, "cakupan-receipts-check") as reader:
        known = reader.topics()
        return [receipt for each in topics if each in known for receipt in read_receipts(reader, each)]
