"""Integrity: how far it is proved that the tables hold what the log says, and where they don't."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from fastapi import APIRouter, Response

from api import models
from api.access import CallerOf, RegionInScope
from api.allowed import MAX_POINTS
from api.answering import respond
from api.clocks import day_of
from api.context import Ctx
from api.log_state import NOT_VERIFIED, Standing
from api.parameters import IntegrityQ, NothingQ
from api.problems import BadParameter
from events import regions
from projections import answers, integrity
from projections.answers import villages_of
from projections.integrity import NO_PLACE, Audited, Place, Sum

router = APIRouter(tags=["integrity"])

WEEK = dt.timedelta(days=6)


@router.get("/v1/integrity", response_model=models.IntegrityAnswer, summary="How far the answers are proved")
def proof(_: NothingQ, context: Ctx, who: CallerOf) -> Response:
    """By partition: how far log and tables were compared, event by event. And every difference that is open, with
    topic, partition, offsets, region and day; `cakupan repair` mends them.
    """
    standing = context.log_state.read()
    checked = integrity.audited(context.database)
    proved = answers.next_offsets(standing.place.verified)
    groups = integrity.difference_groups(context.database)
    verified_at = standing.data.verified_at
    absent = list(standing.absent)
    if verified_at is None:
        absent.append(models.Absent(field="verified_at", reason=NOT_VERIFIED))
    answer = models.IntegrityAnswer(
        status=_status(standing, proved, checked, bool(groups)),
        verified_at=verified_at,
        open=sum(integrity.counts(context.database).values()),
        partitions=[_partition(place, each, proved.get(place)) for place, each in checked.items()],
        differences=[_difference(each) for each in groups],
        absent=absent,
        data=standing.data,
    )
    return respond(context.public.proof(answer, who.may_see))


@router.get(
    "/v1/integrity/{code}",
    response_model=models.IntegrityDaysAnswer,
    summary="A region's events in log and tables, day by day",
)
def days(region: RegionInScope, query: IntegrityQ, context: Ctx) -> Response:
    """Counts and order-free digests of the ids of activation events, by domicile, on both sides."""
    last = query.last or day_of(context.options.clock())
    first = query.first or last - WEEK
    if first > last:
        raise BadParameter(**{"from": "lies after `to`"})
    if (last - first).days >= MAX_POINTS:
        raise BadParameter(**{"from": f"at most {MAX_POINTS} days at once"})
    standing = context.log_state.read()
    low, high = villages_of(region.number)
    log, tables = integrity.sums(context.database, low, high, first, last)
    named = sorted(log.keys() | {day for table in tables.values() for day in table})
    return respond(
        models.IntegrityDaysAnswer(
            region=models.RegionName.of(region),
            days=[_day(day, log, tables) for day in named],
            absent=standing.absent,
            data=standing.data,
        )
    )


def _status(standing: Standing, proved: Mapping[Place, int], checked: Mapping[Place, Audited], different: bool) -> str:
    if different:
        return "different"
    if not checked:
        return "unknown"
    taken = answers.next_offsets(each for each in standing.place.taken if each.topic in integrity.TOPICS)
    return "verified" if all(proved.get(place, 0) >= end for place, end in taken.items()) else "checking"


def _partition(place: Place, checked: Audited, verified_up_to: int | None) -> models.IntegrityPartition:
    topic, partition = place
    return models.IntegrityPartition(
        topic=topic,
        partition=partition,
        position=checked.position,
        verified_up_to=verified_up_to,
        events=checked.events,
        refused=checked.refused,
        digest=f"{checked.digest:016x}",
        checked_at=checked.checked_at,
    )


def _difference(group: dict[str, object]) -> models.IntegrityDifference:
    here = group["partition"] != NO_PLACE
    return models.IntegrityDifference.model_validate(
        {
            **group,
            "region": regions.format_code(int(str(group["region"]))),
            "partition": group["partition"] if here else None,
            "first_offset": group["first_offset"] if here else None,
            "last_offset": group["last_offset"] if here else None,
        }
    )


def _day(day: dt.date, log: Mapping[dt.date, Sum], tables: Mapping[str, Mapping[dt.date, Sum]]) -> models.IntegrityDay:
    sides = {name: held.get(day, Sum(0, 0)) for name, held in tables.items()}
    said = log.get(day, Sum(0, 0))
    return models.IntegrityDay(
        day=day,
        log=_sum(said),
        tables={name: _sum(each) for name, each in sides.items()},
        same=all(each == said for each in sides.values()),
    )


def _sum(each: Sum) -> models.EventSum:
    return models.EventSum(events=each.events, digest=f"{each.digest:016x}")
