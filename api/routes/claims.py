"""Claims: printed figures against the record."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import coverage as contract
from api.access import RegionInScope
from api.answering import respond
from api.context import Context, Ctx
from api.coverage import Asked, Missing
from api.log_state import Standing
from api.measures import claims as measure
from api.measures.shared import facts_on
from api.models import Absent, RegionName
from api.parameters import Paging
from events.regions import Region
from projections.measures import claims as read

router = APIRouter(tags=["measures"])

NONE_PRINTED = "no printed figure of this region has been reported"


@router.get("/v1/claims/{code}", response_model=measure.ClaimsAnswer, summary="Printed figures against the record")
def claims(region: RegionInScope, query: Annotated[Paging, Query()], context: Ctx) -> Response:
    """Each figure that somebody printed of the region against the record on that day: every reading of it, which one
    fits within its printed precision, by how much each is off, and what it says it is."""
    standing = context.log_state.read()
    figures = read.printed(context.database, region.number)
    records = {
        day: _record(context, standing, region, day)
        for day in {each.reported_on for each in figures[query.offset : query.offset + query.limit]}
    }
    return respond(
        measure.ClaimsAnswer(
            region=RegionName.of(region),
            total=len(figures),
            limit=query.limit,
            offset=query.offset,
            items=[
                measure.check(each, records[each.reported_on], measure.beside(each, figures))
                for each in figures[query.offset : query.offset + query.limit]
            ],
            absent=([] if figures else [Absent(field="items", reason=NONE_PRINTED)]) + standing.absent,
            data=standing.data,
        )
    )


def _record(context: Context, standing: Standing, region: Region, day: dt.date) -> measure.Record:
    """What stands on a day: estimates too, each named as one, where no count is published."""
    asked = Asked(day, context.options.today(), estimate=True)
    if reason := asked.unanswerable:
        return measure.Record(None, [], None, {"record": reason.replace("as_of", "reported_on")})
    active = context.memory.active([region.number], day)
    facts = facts_on(context, standing, [region], day, active)
    people = contract.numerator_of(region, asked, facts)
    target = contract.target_of(region, asked, facts.reference)
    counts = {basis: contract.denominator_of(region, basis, asked, facts.reference) for basis in measure.BASES}
    reasons = {f"readings.{basis}": each.reason for basis, each in counts.items() if isinstance(each, Missing)}
    if isinstance(people, Missing):
        reasons["record"] = people.reason
    if isinstance(target, Missing):
        reasons["readings.attainment"] = target.reason
    return measure.Record(
        None if isinstance(people, Missing) else people.value,
        [each for each in counts.values() if not isinstance(each, Missing)],
        None if isinstance(target, Missing) else target,
        {name: reason.replace("as_of", "reported_on") for name, reason in reasons.items()},
    )
