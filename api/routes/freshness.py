"""Freshness: how far the answers have come in the log, and when sources last spoke."""

from __future__ import annotations

import datetime as dt

from fastapi import APIRouter, Response

from api import models
from api.access import CallerOf
from api.answering import respond
from api.context import Ctx
from api.parameters import NothingQ
from events import regions
from projections import answers
from projections.answers import Place, Source

router = APIRouter(tags=["freshness"])


@router.get("/v1/freshness", response_model=models.FreshnessAnswer, summary="How fresh the answers are")
def freshness(_: NothingQ, context: Ctx, who: CallerOf) -> Response:
    """By partition of the log: how far the answers have come, and what they lag behind. By source: its last report."""
    standing = context.log_state.read()
    now = context.options.clock()
    answer = models.FreshnessAnswer(
        data=standing.data,
        partitions=[partition(each) for each in standing.place.taken],
        sources=[source(each, now) for each in answers.sources(context.database)],
        absent=standing.absent,
    )
    return respond(context.public.freshness(answer, who.may_see))


def partition(place: Place) -> models.PartitionPlace:
    return models.PartitionPlace(
        topic=place.topic,
        partition=place.partition,
        position=place.next,
        head=place.head,
        lag=max(place.head - place.next, 0),
        record_at=place.record_at,
        checked_at=place.checked_at,
    )


def source(report: Source, now: dt.datetime) -> models.SourcePlace:
    return models.SourcePlace(
        source=report.source,
        regions=[regions.format_code(each) for each in report.regions],
        reported_at=report.reported_at,
        complete_until=report.complete_until,
        events_sent=report.events_sent,
        silence_seconds=round((now - report.reported_at).total_seconds(), 3),
    )
