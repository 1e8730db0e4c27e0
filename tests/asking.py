"""Asking the API of one process, and what answers have in common; for recounts, which places lie in a region."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

Json = dict[str, Any]


def asked(client: TestClient, path: str, status: int = 200, /, **query: Any) -> Json:
    """What it says with this status."""
    answer = client.get(path, params=query)
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


def why(answer: Json) -> dict[str, str]:
    """The reason by field for what is absent."""
    return {each["field"]: each["reason"] for each in answer["absent"]}


def within(code: str, place: str) -> bool:
    """By the text of the codes."""
    return code == "0" or place == code or place.startswith(code + ".")
