"""`cakupan up`: the whole system on this machine."""

from __future__ import annotations

import time

import httpx
import typer

from cakupan import wiring
from cakupan.commands import verify as verifying
from cakupan.embedded.tls import LOOPBACK_HOSTS
from cakupan.loading import publish_planned, publish_reference, wait_until_taken_in
from cakupan.report import fail, out, progress, say
from cakupan.scenario import sambas
from cakupan.settings import Settings, read_settings
from cakupan.stack import Interrupted, Marker, Stack, ended_by_signals

LAST_DAY = "2024-06-30"


def up(
    seed: int = typer.Option(1, min=0, help="Seed of the Sambas scenario."),
    scenario: bool = typer.Option(True, help="Load the Sambas scenario if it is not loaded yet."),
    verify: bool = typer.Option(True, help="Recount from the log after loading."),
) -> None:
    """Start Kafka, ClickHouse, the worker and the API on this machine, load the Sambas scenario, run until Ctrl-C.

    Data stay in CAKUPAN_DATA_DIR; the second start takes seconds.

    Example: `cakupan up --seed 7`
    """
    settings = _open(read_settings())
    began = time.monotonic()
    stack = Stack(settings, lambda text: say.print(f"  {text}", markup=False))
    marker = Marker(settings.data_dir)
    if scenario:
        _require_seed(marker, seed, settings)
    try:
        with ended_by_signals():
            _start(stack)
            if scenario:
                _load(settings, marker, seed, verify)
            _greet(settings, time.monotonic() - began)
            while True:
                time.sleep(1)
                stack.watch()
    except Interrupted:
        say.print("\nstopping")
    finally:
        stack.stop()
    say.print("stopped; data are kept in " + str(settings.data_dir), markup=False)


def _open(settings: Settings) -> Settings:
    """Where only who is at this machine can ask, all is told, unless it was said otherwise."""
    if "public_smallest" in settings.model_fields_set or settings.api_host not in (*LOOPBACK_HOSTS, "::1"):
        return settings
    return settings.model_copy(update={"public_smallest": 1})


def _start(stack: Stack) -> None:
    with progress("starting") as step:

        def on_download(_: str, present: int, total: int) -> None:
            if present == 1:
                stack.say("bringing Apache Kafka (45 MB, once)")
            step(present, total)

        stack.start(on_download)


def _require_seed(marker: Marker, seed: int, settings: Settings) -> None:
    noted = marker.read()
    if noted is not None and noted[0] != seed:
        fail(
            f"{settings.data_dir} holds the scenario of seed {noted[0]}; two would be counted together."
            f" Run up with --seed {noted[0]}, or set CAKUPAN_DATA_DIR to another folder."
        )


def _load(settings: Settings, marker: Marker, seed: int, verify: bool) -> None:
    if marker.read() == (seed, True):
        return
    marker.write(seed, complete=False)
    publish_reference(settings.kafka_bootstrap)
    with progress(f"publishing the Sambas scenario, seed {seed}") as step:
        count = sum(publish_planned(settings.kafka_bootstrap, sambas(seed), step).values())
    with progress("taking it in") as step:
        done = wait_until_taken_in(wiring.database(settings), step)
    if not done:
        fail("the worker does not get on; read worker.log in the data folder, or: cakupan status")
    marker.write(seed, complete=True)
    say.print(f"  {count:,} synthetic events loaded")
    if verify:
        report = verifying.run(settings)
        verdict = "right to the last event" if report.right else "WRONG: run cakupan verify"
        say.print(f"  recounted from the log: {verdict}")


def _greet(settings: Settings, seconds: float) -> None:
    address = settings.api_address
    out.print(f"\nCakupan is up after {seconds:.1f} s")
    out.print(f"  page  {address}/\n  API   {address}\n  docs  {address}/docs")
    _show_sambas(settings)
    out.print(f"  try   curl -s '{address}/v1/coverage/61.01?as_of={LAST_DAY}'")
    out.print("  Ctrl-C stops everything; data are kept", style="dim")


def _show_sambas(settings: Settings) -> None:
    with wiring.api_client(settings) as api:
        try:
            answer = api.get("/v1/coverage/61.01", params={"as_of": LAST_DAY}).raise_for_status().json()
        except httpx.HTTPError:
            return
    if answer["coverage"] is None:
        return
    out.print(
        f"  {answer['region']['name']}, {LAST_DAY} (synthetic): {answer['numerator']['value']:,} active of"
        f" {answer['denominator']['value']:,} {answer['denominator']['basis']} = {answer['coverage']:.2%}"
    )
