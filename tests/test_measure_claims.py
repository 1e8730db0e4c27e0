"""Claims: the figures that offices and press have really printed, and others, against a plain recount in decimals."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.measures.claims import ClaimsAnswer, parse
from cakupan.reference import reference_events
from events import codec
from events.catalogue import EVENTS, HERE, REFERENCE, examples
from projections.clickhouse import Database
from tests.asking import asked, why
from tests.conftest import empty
from tests.test_api_world import OPTIONS, activations, denominator, load, put

Json = dict[str, Any]
ROWS = list(csv.DictReader((HERE / "data" / "published_figures.csv").open(encoding="utf-8")))
CODES = sorted({row["region_code"] for row in ROWS})


def figure(region: str, day: str, printed: str, claim: str, basis: str = "unknown") -> Json:
    example = examples(EVENTS["FigureReported"], EVENTS["FigureReported"].newest)[0]
    rest = {name: value for name, value in example.items() if name != "event_id"}
    told = {"region": region, "reported_on": day, "printed": printed, "claim": claim, "basis": basis}
    return {**rest, **told, "origin": "a test"}


# Sambas at the end of June 2024, as it may be printed, on a day that nothing else is printed of.
SAMBAS_DAY = "2024-08-01"
SAMBAS: tuple[tuple[str, str, str, list[tuple[str, str | None]] | None, str], ...] = (
    # printed, claim, basis; what fits (meaning, basis), verdict
    ("9.59 %", "coverage", "recorded", [("coverage", "recorded")], "as_claimed"),
    ("9,6 %", "coverage", "recorded", [("coverage", "recorded")], "as_claimed"),
    ("9,59%", "coverage", "population", [("coverage", "recorded")], "otherwise"),
    ("9.59", "attainment", "recorded", [("coverage", "recorded")], "otherwise"),
    ("31,95 persen", "coverage", "recorded", [("attainment", "recorded")], "otherwise"),
    ("31.95 %", "attainment", "unknown", [("attainment", "recorded")], "fits"),
    ("6,69 %", "coverage", "recorded", [("coverage", "population")], "otherwise"),
    ("6,69 %", "unclear", "unknown", [("coverage", "population")], "fits"),
    ("6,69 %", "unclear", "recorded", [("coverage", "population")], "otherwise"),
    ("12 %", "coverage", "recorded", [], "none"),
    ("9.586 %", "coverage", "recorded", [("coverage", "recorded")], "as_claimed"),
    ("9.585 %", "coverage", "recorded", [], "none"),
    ("lebih dari 9 %", "coverage", "recorded", [("coverage", "recorded"), ("coverage", "wajib_ktp")], "as_claimed"),
    ("43336", "count", "unknown", [("count", None)], "as_claimed"),
    ("43.336 orang", "count", "unknown", [("count", None)], "as_claimed"),
    ("43,3 ribu", "count", "unknown", [("count", None)], "as_claimed"),
    ("1,2 juta", "count", "unknown", [], "none"),
    ("hampir separuh", "coverage", "recorded", None, "cannot_tell"),
    ("43336", "coverage", "recorded", [], "none"),  # a count called coverage: 43,336 %
    ("9.59 %", "count", "recorded", None, "cannot_tell"),
)
# The same percentage called attainment.
OTHERS = [figure("61.07", "2024-11-01", "1,86 persen", "attainment", "holders")]


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[TestClient]:
    empty(database)
    put(database, REFERENCE, [codec.encode(each.type.name, each.values) for each in reference_events()])
    put(database, "ikd.activation.v1", activations())
    load(database, [denominator("61.07", "holders", "2024-06-30", 187_220), *OTHERS])
    load(database, [figure("61.01", SAMBAS_DAY, *told[:3]) for told in SAMBAS])
    with TestClient(create_app(database, OPTIONS)) as each:
        yield each


def ask(client: TestClient, code: str, status: int = 200, /, **query: Any) -> Json:
    return asked(client, f"/v1/claims/{code}", status, **query)


def fits(item: Json) -> list[tuple[str, str | None]]:
    return sorted((each["meaning"], each["basis"]) for each in item["fits"])


def test_sambas_comes_out_right(client: TestClient) -> None:
    """9.59 % is coverage of those recorded; over the population it is 6.69 %, against the target 31.95 %."""
    items = [each for each in ask(client, "61.01")["items"] if each["reported_on"] == "2024-12-11"]
    item = next(each for each in items if each["unit"] == "percent")
    assert (item["printed"], item["verdict"]) == ("9.59 %", "as_claimed")
    assert item["says"] == {"meaning": "coverage", "basis": "recorded"}
    assert (item["low"], item["high"]) == (9.585, 9.595)
    assert {each["numerator_from"] for each in item["fits"]} == {"record", "printed"}
    assert set(fits(item)) == {("coverage", "recorded")}
    told = {(each["meaning"], each["basis"]): each for each in item["readings"] if each["numerator_from"] == "record"}
    assert [round(told[each]["percent"], 2) for each in READINGS] == [9.59, 31.95, 6.69]
    assert [told[each]["denominator"]["value"] for each in READINGS] == [452_092, 452_092, 648_037]
    assert [told[each]["on_target_basis"] for each in READINGS] == [None, True, None]
    assert told["attainment", "population"]["on_target_basis"] is False
    assert told["coverage", "population"]["off"] == pytest.approx(9.59 - 43_336 / 6480.37, abs=1e-6)
    assert told["coverage", "wajib_ktp"]["denominator"]["estimated"] is True
    assert item["readings"][0] == item["fits"][0]


READINGS = [("coverage", "recorded"), ("attainment", "recorded"), ("coverage", "population")]


@pytest.mark.parametrize("number", range(len(SAMBAS)), ids=[" ".join(each[:3]) for each in SAMBAS])
def test_what_may_be_printed_of_sambas(client: TestClient, number: int) -> None:
    printed, claim, basis, fitting, verdict = SAMBAS[number]
    says = {"meaning": claim, "basis": None if basis == "unknown" else basis}
    of_day = [each for each in ask(client, "61.01", limit=1000)["items"] if each["reported_on"] == SAMBAS_DAY]
    assert len(of_day) == len(SAMBAS)
    item = next(each for each in of_day if each["printed"] == printed and each["says"] == says)
    assert item["verdict"] == verdict
    if fitting is None:
        assert item["unit"] is item["low"] is None
        assert "cannot_tell" in why(item)["verdict"]
    else:
        assert set(fits(item)) == set(fitting)


def test_bengkayang_is_of_holders_and_the_target_is_20(client: TestClient) -> None:
    """The record holds nobody of Bengkayang here: it is held against the count printed beside it."""
    items = [each for each in ask(client, "61.07")["items"] if each["unit"] == "percent"]
    assert len(items) == 2
    for item in items:
        assert why(item)["record"] == "no events and no source reports for this region"
        assert {each["numerator_from"] for each in item["readings"]} == {"printed"}
        assert set(fits(item)) == {("coverage", "holders")}
        (attained,) = [each for each in item["readings"] if each["meaning"] == "attainment"]
        assert (attained["target"], attained["percent"]) == (0.2, pytest.approx(9.3126, abs=1e-4))
    assert {each["verdict"] for each in items} == {"as_claimed", "otherwise"}


@pytest.mark.parametrize("code", CODES)
def test_every_published_figure_is_recounted(client: TestClient, code: str) -> None:
    """All readings, from the numbers that each one names, in decimals."""
    answer = ask(client, code, limit=1000)
    published = [row for row in ROWS if row["region_code"] == code]
    for row in published:
        day = row["date"] if len(row["date"]) == 10 else f"{row['date']}-01"
        items = [each for each in answer["items"] if each["reported_on"] == day]
        for column, text in (("activations", "{}"), ("pct_as_reported", "{} %")):
            if row[column]:
                assert text.format(row[column]) in [each["printed"] for each in items]
    for item in answer["items"]:
        for reading in item["readings"]:
            recount(item, reading)
        assert item["fits"] == [each for each in item["readings"] if each["fits"]]
        distances = [abs(each["off"]) for each in item["readings"]]
        assert distances == sorted(distances)
        assert item["readings"] or item["verdict"] == "cannot_tell"
        assert (item["verdict"] == "cannot_tell") == ("verdict" in why(item))


def recount(item: Json, reading: Json) -> None:
    if reading["meaning"] == "count":
        assert reading["off"] == pytest.approx((item["low"] + item["high"]) / 2 - reading["numerator"])
        assert reading["fits"] == (item["low"] <= reading["numerator"] <= item["high"])
        return
    share = 100 * Decimal(reading["numerator"]) / reading["denominator"]["value"]
    if reading["meaning"] == "attainment":
        share /= Decimal(str(reading["target"]))
    assert reading["basis"] == reading["denominator"]["basis"]
    assert dt.date.fromisoformat(reading["denominator"]["vintage"]) <= dt.date.fromisoformat(item["reported_on"])
    assert Decimal(str(reading["percent"])) == round(share, 6)
    if item["printed"].replace(" %", "").replace(".", "").isdigit():
        printed = Decimal(item["printed"].removesuffix("%").strip())
        half = Decimal(1).scaleb(printed.as_tuple().exponent) / 2  # type: ignore[arg-type]
        assert Decimal(str(reading["off"])) == round(printed - share, 6)
        assert reading["fits"] == (printed - half <= share <= printed + half)


def test_an_estimate_is_named_as_one(client: TestClient) -> None:
    """Kalimantan Utara, 5.27 % of wajib KTP, 28,367 active: nobody has published its wajib KTP."""
    (item,) = [each for each in ask(client, "65")["items"] if each["unit"] == "percent"]
    said = next(each for each in item["readings"] if (each["meaning"], each["basis"]) == ("coverage", "wajib_ktp"))
    assert said["numerator"] == 28_367
    assert said["denominator"]["estimated"] is True
    assert said["percent"] == pytest.approx(100 * 28_367 / said["denominator"]["value"], abs=1e-6)
    assert said["off"] == pytest.approx(5.27 - said["percent"], abs=1e-6)


def test_where_nothing_was_printed_and_where_nothing_is_known(client: TestClient) -> None:
    answer = ask(client, "73.01")
    assert answer["items"] == []
    assert why(answer)["items"] == "no printed figure of this region has been reported"
    (item,) = [each for each in ask(client, "92")["items"] if each["reported_on"] == "2023-12-20"]
    assert (item["verdict"], item["readings"]) == ("cannot_tell", [])
    reasons = why(item)
    assert reasons["verdict"].startswith("cannot_tell: nothing to hold it against")
    assert reasons["readings.population"] == "reported_on is before the first denominator on this basis, 2024-12-31"


def test_figures_of_the_future_are_held_against_nothing(clean: Database) -> None:
    load(clean, [figure("61.01", "2030-01-01", "30 %", "coverage", "recorded")])
    with TestClient(create_app(clean, OPTIONS)) as client:
        (item,) = ask(client, "61.01")["items"]
    assert item["verdict"] == "cannot_tell"
    assert why(item)["record"] == "reported_on is in the future"


def test_two_counts_printed_on_one_day_are_no_count(clean: Database) -> None:
    load(clean, [denominator("61.01", "recorded", "2024-06-30", 452_092)])
    counts = [figure("61.01", "2024-12-11", each, "count") for each in ("43336", "43.337")]
    load(clean, [figure("61.01", "2024-12-11", "9.59 %", "coverage", "recorded"), *counts])
    with TestClient(create_app(clean, OPTIONS)) as client:
        items = ask(client, "61.01")["items"]
    assert [each["verdict"] for each in items] == ["cannot_tell"] * 3


def test_pages_and_parameters(clean: Database) -> None:
    load(clean, [figure("61.01", f"2024-12-{day:02}", f"{day} %", "coverage") for day in range(1, 8)])
    with TestClient(create_app(clean, replace(OPTIONS, public_level="regency"))) as client:
        whole = [each["printed"] for each in ask(client, "61.01")["items"]]
        assert whole == [f"{day} %" for day in range(7, 0, -1)]
        part = ask(client, "61.01", limit=2, offset=3)
        assert (part["total"], [each["printed"] for each in part["items"]]) == (7, ["4 %", "3 %"])
        assert ask(client, "61.01", 422, limit=0)["parameters"][0]["name"] == "limit"
        assert ask(client, "61.01", 422, form=1)["parameters"][0]["name"] == "(unknown)"
        assert ask(client, "61.99", 404)["parameters"][0]["name"] == "code"
        assert client.get("/v1/claims/61.01.01").status_code == 401


@pytest.mark.parametrize(
    ("printed", "claim", "unit", "low", "high"),
    [
        ("9.59 %", "coverage", "percent", "9.585", "9.595"),
        ("9,6 %", "unclear", "percent", "9.55", "9.65"),
        ("51", "coverage", "percent", "50.5", "51.5"),
        ("lebih dari 51 %", "coverage", "percent", "51", "52"),
        ("kurang dari 3 persen", "coverage", "percent", "2", "3"),
        ("1,2 juta", "count", "people", "1150000", "1250000"),
        ("1,2 juta orang", "unclear", "people", "1150000", "1250000"),
        ("6.85 million", "count", "people", "6845000", "6855000"),
        ("~1000000", "count", "people", "500000", "1500000"),
        ("sekitar 43.300", "count", "people", "43250", "43350"),
        ("43.336", "count", "people", "43336", "43336"),
        ("43,336", "unclear", "people", "43336", "43336"),
        ("6332148", "count", "people", "6332148", "6332148"),
        ("0", "count", "people", "0", "0"),
    ],
)
def test_what_is_printed_is_read(printed: str, claim: str, unit: str, low: str, high: str) -> None:
    number = parse(printed, claim)
    assert number is not None
    assert (number.unit, number.low, number.high) == (unit, Fraction(low), Fraction(high))


@pytest.mark.parametrize(
    ("printed", "claim"),
    [("", "count"), ("banyak", "count"), ("1.2.3 %", "coverage"), ("9.59 %", "count"), ("43.33", "count")],
)
def test_what_can_mean_two_things_is_not_read(printed: str, claim: str) -> None:
    assert parse(printed, claim) is None


@given(st.text(max_size=30), st.sampled_from(["count", "coverage", "attainment", "unclear"]))
def test_whatever_is_printed_is_read_or_not(printed: str, claim: str) -> None:
    number = parse(printed, claim)
    assert number is None or number.low <= number.value <= number.high


@given(st.decimals(0, 500, places=2), st.booleans())
def test_any_printed_share_holds_what_rounds_to_it(share: Decimal, comma: bool) -> None:
    text = str(share).replace(".", ",") if comma else str(share)
    number = parse(f"{text} %", "unclear")
    assert number is not None
    assert number.high - number.low == Fraction(1, 100)
    assert number.value == Fraction(str(share))


def test_the_example_fits_its_model() -> None:
    (example,) = ClaimsAnswer.model_json_schema()["examples"]
    assert set(ClaimsAnswer.model_validate(example).model_dump(by_alias=True)) == set(example)
