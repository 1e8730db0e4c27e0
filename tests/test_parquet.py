"""Rows as Parquet files: what the page shows, with types, and what is refused."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from api import parquet
from api.app import create_app
from api.routes import page
from projections.clickhouse import Database
from tests.test_api_world import OPTIONS

FIRST = {"code": "61.01", "active": 3, "coverage": 0.5, "day": "2024-06-30", "at": "2024-06-30T10:00:00.5Z"}
SECOND = {"code": "0", "active": None, "coverage": 1, "day": None, "at": "2024-07-01T00:00:00Z"}
ROWS: list[dict[str, Any]] = [{**FIRST, "why": None, "absent": []}, {**SECOND, "why": None, "absent": [{"field": "x"}]}]
Texts = st.fixed_dictionaries({"a": st.integers(-(2**53), 2**53) | st.none(), "b": st.text(max_size=20)})


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


def read(made: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(made))


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Database("127.0.0.1", 1), OPTIONS)) as each:
        yield each


def test_every_column_has_its_type(client: TestClient) -> None:
    answer = client.post("/page/parquet", content=lines(ROWS))
    assert (answer.status_code, answer.headers["content-type"]) == (200, parquet.MEDIA_TYPE)
    found = read(answer.content)
    utc = pl.Datetime("us", "UTC")
    assert found.dtypes == [pl.String, pl.Int64, pl.Float64, pl.Date, utc, pl.String, pl.String]
    first, second = found.rows(named=True)
    assert first["day"] == dt.date(2024, 6, 30)
    assert first["at"] == dt.datetime(2024, 6, 30, 10, 0, 0, 500_000, dt.UTC)
    assert (first["active"], second["active"]) == (3, None)
    assert json.loads(second["absent"]) == [{"field": "x"}]


@given(st.lists(Texts, min_size=1))
def test_what_is_in_the_rows_is_in_the_file(rows: list[dict[str, Any]]) -> None:
    found = read(parquet.of_lines(lines(rows))).rows(named=True)
    assert found == rows


@pytest.mark.parametrize("sent", [b"[1]", b"{", b'{"a": {"b": 1}}', b'{"a": 1}\n7', b"\xff\xfe", b"[" * 100_000])
def test_what_are_no_rows_is_refused(client: TestClient, sent: bytes) -> None:
    answer = client.post("/page/parquet", content=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "each a JSON object" in answer.json()["detail"]


def test_too_much_is_refused_before_it_is_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_BYTES", 1000)
    answer = client.post("/page/parquet", content=lines(ROWS * 10))
    assert answer.status_code == 413
    assert "1000 bytes" in answer.json()["detail"]
