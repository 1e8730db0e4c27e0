"""What each parameter may be, in words: for errors and for the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_LIMIT = 1000
MAX_OFFSET = 100_000
MAX_POINTS = 4000

ALLOWED = {
    "code": "a code of the register such as 61, 61.01, 61.01.01 or 61.01.01.2001; 0 is the nation",
    "as_of": "a day such as 2024-06-30",
    "known_at": "a day such as 2024-07-01, or a time with its zone such as 2024-07-01T10:00:00+07:00",
    "by": "reason, step, region, channel, age_band or device",
    "basis": "recorded, wajib_ktp, holders or population",
    "estimate": "true or false",
    "sort": "coverage, numerator, missing or name",
    "order": "asc or desc",
    "limit": f"a whole number from 1 to {MAX_LIMIT}",
    "offset": f"a whole number from 0 to {MAX_OFFSET}",
    "interval": "day, week or month",
    "from": "a day such as 2024-01-01, not after `to`",
    "to": "a day such as 2024-06-30, not before `from`",
    "topics": "activation, outreach, coverage, alert, or several separated by commas",
    "region": "a code of the register such as 61, 61.01, 61.01.01 or 61.01.01.2001; 0 is the nation",
    "type": "names of event types of these topics, separated by commas, such as CoverageChanged",
    "since": "a time with its zone, not in the future, such as 2024-06-01T00:00:00Z",
    "deadline": "a day such as 2027-12-31, not before `as_of`",
    "weeks": "a whole number from 4 to 52",
    "backtest": "true or false",
    "days": "a whole number from 1 to 90",
    "kind": "target_at_risk, stall, silence, barrier_surge or integrity_difference",
    "state": "open, raised, acknowledged, cleared or all",
    "alert_id": "an id as the list of alerts gives it: 32 hexadecimal digits with hyphens",
    "at": "a time with its zone such as 2024-06-30T10:00:00+07:00",
}


def allowed_here(scope: Mapping[str, Any]) -> str:
    """Names of the query parameters that the matched route takes."""
    dependant = getattr(scope.get("route"), "dependant", None)
    names: list[str] = []
    for each in getattr(dependant, "query_params", ()):
        fields = getattr(each.field_info.annotation, "model_fields", None)
        names += [f.alias or n for n, f in fields.items()] if fields is not None else [each.alias]
    return ", ".join(names) or "none"
