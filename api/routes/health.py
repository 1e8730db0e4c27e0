"""Health: is the process up, and is everything there that answers need."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import models
from api.answering import respond
from api.context import Context, Ctx
from api.problems import Away
from projections import alerts, answers, dead_letters, integrity
from projections.answers import Place
from projections.errors import DatabaseError

router = APIRouter(tags=["health"])


class PartAway(Exception):
    """A part is away; says which and where."""


class Part(NamedTuple):
    """A part that answers need, and how to find out whether it is there: returns what to say, raises what is wrong."""

    name: str
    look: Callable[[Context], str]


@router.get("/health/live", response_model=models.Alive, summary="The process is up")
async def live() -> Response:
    """Always 200."""
    return respond(models.Alive())


@router.get("/health/ready", response_model=models.Ready, summary="Everything that answers need is there")
def ready(context: Ctx) -> Response:
    """200, or 503 naming every part that is away."""
    there, away = [], []
    for part in PARTS:
        try:
            there.append(models.Check(name=part.name, detail=part.look(context)))
        except PartAway as error:
            away.append({"name": part.name, "detail": str(error)})
    if away:
        raise Away(away)
    return respond(models.Ready(checks=there))


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
def metrics(context: Ctx) -> Response:
    """Text in Prometheus' format. Numbers of the log are asked for at each scrape."""
    try:
        standing = context.log_state.read()
        context.metrics.show(standing.place.taken, standing.data)
        context.metrics.show_verified(standing.place.verified)
    except DatabaseError:
        context.metrics.show([], None)
        context.metrics.show_verified([])
    shown = context.metrics
    for gauge, read in (
        (shown.differences, integrity.counts),
        (shown.dead_letters, dead_letters.counts),
        (shown.alerts, alerts.counts),
    ):
        try:
            shown.show_counts(gauge, read(context.database))
        except DatabaseError:
            shown.show_counts(gauge, {})
    return Response(generate_latest(context.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _clickhouse(context: Context) -> str:
    try:
        context.database.ping()
    except DatabaseError as error:
        hint = context.options.clickhouse_setting
        raise PartAway(f"{error} (set by {hint})" if hint else str(error)) from error
    return f"answers at {context.database.address}"


def _kafka(context: Context) -> str:
    if context.kafka_probe is None:
        return "not asked"
    try:
        context.kafka_probe()
    except Exception as error:  # whatever the probe raises is what is wrong with Kafka
        raise PartAway(_first_line(error)) from error
    return "answers"


def _worker(context: Context) -> str:
    try:
        places = answers.log_place(context.database).taken
    except DatabaseError as error:
        raise PartAway("nobody can say whether the worker works: ClickHouse is away") from error
    return _worker_at(places, context)


def _worker_at(places: list[Place], context: Context) -> str:
    if not places:
        raise PartAway("no worker has reported yet")
    oldest = min(places, key=lambda each: each.checked_at)
    silent = (context.options.clock() - oldest.checked_at).total_seconds()
    if silent > context.options.stale_after_seconds:
        raise PartAway(
            f"no worker has reported on {oldest.topic} partition {oldest.partition} for {silent:.0f} s;"
            f" {context.options.stale_after_seconds:g} s are allowed"
        )
    return f"reported {max(silent, 0):.1f} s ago"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


PARTS = (Part("clickhouse", _clickhouse), Part("kafka", _kafka), Part("worker", _worker))
