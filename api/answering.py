"""Models to responses. An answer cached by log position will be kept and compared here."""

from __future__ import annotations

from fastapi import Response
from pydantic import BaseModel


def respond(answer: BaseModel) -> Response:
    """The answer as JSON, made once: the model was checked when it was built."""
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
