"""Reference facts as events: counts to divide by, targets, figures that have been printed.

From `events/data/`: the population by regency of December 2024, Sambas by district, figures of offices and press.
What is computed here and published by nobody says so in `method` and comes from the source `cakupan`.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from events import jsonform
from events.catalogue import HERE
from events.codec import Event

NATIONAL_SHARE = 0.736  # of the population that is ID-obliged (wajib KTP), taken for every region

_DATA = HERE / "data"
_EARLIEST = "2022-01-01"
_DECREE = "Kepmendagri 300.2.2-2138/2025"
_END_OF_2024 = "2024-12-31"
_MID_2024 = "2024-06-30"
_SAMBAS = "61.01"
_SAMBAS_PRESS = "Dukcapil Sambas, first half of 2024 (insidepontianak.com/sambas/34597)"
_BASES = {"perekaman": "recorded", "wajib_ktp": "wajib_ktp", "pemilik_ktp_el": "holders", "": "unknown"}


class _Target(NamedTuple):
    region: str
    basis: str
    ratio: float
    valid_from: str
    valid_to: str | None
    source: str
    origin: str


# The basis of Pati's targets is not published.
TARGETS = (
    _Target("0", "wajib_ktp", 0.25, "2023-01-01", "2023-12-31", "kemendagri", "Ditjen Dukcapil: 25 % of wajib KTP"),
    _Target("0", "wajib_ktp", 0.3, "2024-01-01", None, "kemendagri", "Ditjen Dukcapil: 30 % of wajib KTP"),
    _Target(_SAMBAS, "recorded", 0.3, "2024-01-01", None, "dukcapil-61.01", "Dukcapil Sambas: 30 % of people recorded"),
    _Target(
        "61.07", "holders", 0.2, "2024-01-01", _END_OF_2024, "dukcapil-61.07", "Dukcapil Bengkayang: 20 % of holders"
    ),
    _Target(
        "33.18",
        "wajib_ktp",
        0.2,
        "2024-01-01",
        _END_OF_2024,
        "dukcapil-33.18",
        "Dukcapil Pati: 20 % in 2024; the basis is not published, wajib KTP is assumed",
    ),
    _Target(
        "33.18",
        "wajib_ktp",
        0.25,
        "2025-01-01",
        "2025-12-31",
        "dukcapil-33.18",
        "Dukcapil Pati: 25 % in 2025; the basis is not published, wajib KTP is assumed",
    ),
)


def reference_events() -> Iterator[Event]:
    """Some 1,200 events. Their ids follow from their content, so publishing them again adds nothing.

    Every event keeps `events.rules`. It occurs on the day that it speaks of, at midnight UTC, not before 2022-01-01.
    """
    yield from _population()
    yield from _sambas()
    yield from _districts()
    yield from map(_target, TARGETS)
    yield from _figures()


def _population() -> Iterator[Event]:
    """Nation, provinces, regencies and cities; sexes and levels add up."""
    for row in _rows("population_2024s2.csv"):
        yield from _with_obliged(row["code"], _END_OF_2024, int(row["total"]), "kemendagri", _DECREE, None)


def _sambas() -> Iterator[Event]:
    yield _denominator(_SAMBAS, "recorded", _MID_2024, 452_092, "dukcapil-61.01", _SAMBAS_PRESS, None)
    yield from _with_obliged(_SAMBAS, _MID_2024, 648_037, "dukcapil-61.01", _SAMBAS_PRESS, None)


def _districts() -> Iterator[Event]:
    """Estimates: counts of 2018 scaled, or the remainder shared out as in 2017; they add up to the regency's count."""
    origin = f"Sambas by district, 2015-2018, brought to the regency's count of {_END_OF_2024} ({_DECREE})"
    for row in _rows("sambas_kecamatan.csv"):
        people = int(row["pop_2024s2_estimate"])
        yield from _with_obliged(row["code"], _END_OF_2024, people, "cakupan", origin, row["estimate_basis"])


def _with_obliged(
    code: str, vintage: str, people: int, source: str, origin: str, method: str | None
) -> Iterator[Event]:
    """A population, and the estimate of the ID-obliged among them."""
    yield _denominator(code, "population", vintage, people, source, origin, method)
    share = f"population x {NATIONAL_SHARE} (national share of wajib KTP)"
    yield _denominator(
        code,
        "wajib_ktp",
        vintage,
        round(NATIONAL_SHARE * people),
        "cakupan",
        f"computed from the population: {origin}",
        f"{method}; {share}" if method else share,
    )


def _denominator(
    code: str, basis: str, vintage: str, people: int, source: str, origin: str, method: str | None
) -> Event:
    return _event(
        "DenominatorReleased",
        vintage,
        source,
        code,
        basis=basis,
        vintage=vintage,
        value=people,
        origin=origin,
        method=method,
    )


def _target(each: _Target) -> Event:
    return _event(
        "TargetSet",
        each.valid_from,
        each.source,
        each.region,
        basis=each.basis,
        ratio=each.ratio,
        valid_from=each.valid_from,
        valid_to=each.valid_to,
        origin=each.origin,
    )


def _figures() -> Iterator[Event]:
    """What was printed: a count of activations, a percentage, or both."""
    paper = ""
    for row in _rows("published_figures.csv"):
        paper = row["source"] if row["source"] != "same" else paper
        origin = f"{paper}: {row['reported_as']}" if row["reported_as"] else paper
        if row["activations"]:
            yield _figure(row, row["activations"], "count", "unknown", origin)
        if row["pct_as_reported"]:
            claim, basis = _claim(row), _BASES[row["denominator_basis"]]
            yield _figure(row, f"{row['pct_as_reported']} %", claim, basis, origin)


def _claim(row: dict[str, str]) -> str:
    """A percentage of a known basis, or called coverage (cakupan), is coverage; another may be anything."""
    return "coverage" if row["denominator_basis"] or row["reported_as"] == "cakupan" else "unclear"


def _figure(row: dict[str, str], printed: str, claim: str, basis: str, origin: str) -> Event:
    day, note = (row["date"], "") if len(row["date"]) == len("2024-11-30") else (f"{row['date']}-01", " (month only)")
    given = {"reported_on": day, "printed": printed, "claim": claim, "basis": basis, "origin": origin + note}
    return _event("FigureReported", day, "press", row["region_code"], **given)


def _event(name: str, day: str, source: str, code: str, **given: Any) -> Event:
    """Checked, with the id that its content has."""
    at = f"{max(day, _EARLIEST)}T00:00:00.000Z"
    known = {"type": name, "occurred_at": at, "recorded_at": at, "source": source, "region": code}
    now_ms = round(dt.datetime.fromisoformat(at).timestamp() * 1000)
    return jsonform.from_json({**known, "service_region": _speaks_for(source), **given}, now_ms)


def _speaks_for(source: str) -> str:
    """The region of the office that sends; the nation for all others."""
    return source.removeprefix("dukcapil-") if source.startswith("dukcapil-") else "0"


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
