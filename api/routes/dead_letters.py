"""Dead letters: how many records could not be taken in, and why."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api import models
from api.access import CallerOf
from api.answering import respond
from api.context import Ctx
from api.parameters import NothingQ
from projections import dead_letters
from projections.dead_letters import Group

router = APIRouter(tags=["freshness"])


@router.get("/v1/dead-letters", response_model=models.DeadLettersAnswer, summary="Records that could not be taken in")
def counts(_: NothingQ, context: Ctx, who: CallerOf) -> Response:
    """Counts by topic, kind of reason, source and status, the largest first. What they hold is not given."""
    standing = context.log_state.read()
    totals = dead_letters.counts(context.database)
    answer = models.DeadLettersAnswer(
        total=sum(totals.values()),
        open=sum(count for (_, status), count in totals.items() if status == "open"),
        groups=[group(each) for each in dead_letters.groups(context.database)],
        absent=standing.absent,
        data=standing.data,
    )
    return respond(context.public.letters(answer, who.may_see))


def group(each: Group) -> models.DeadLetterGroup:
    return models.DeadLetterGroup.model_validate(
        {
            "topic": each.topic,
            "reason": each.kind,
            "source": each.source or None,
            "status": each.status,
            "letters": each.letters,
            "first_at": each.first_at,
            "last_at": each.last_at,
        }
    )
