"""How much of the broker one user may take.

Neither client library has Kafka's request for it, so its form stands here, for the one that can send it (aiokafka).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from aiokafka import errors
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from events.errors import AccessRefused
from events.kafka import away

TIMEOUT_MS = 20_000
USER = "user"
EXACTLY = 0  # how a user is matched: by the name given
TEXT = String("utf-8")

# It logs what it also raises.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class _AlterResponse(Response):  # type: ignore[misc]  # the library has no types
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", TEXT),
                ("entity", Array(("entity_type", TEXT), ("entity_name", TEXT))),
            ),
        ),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", Array(("entity_type", TEXT), ("entity_name", TEXT))),
                ("ops", Array(("key", TEXT), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterStruct]):  # type: ignore[misc]
    """Kafka's AlterClientQuotas, version 0, of one user. A value of None takes the limit away."""

    API_KEY = 49

    def __init__(self, user: str, limits: Mapping[str, float | None]) -> None:
        self._user = user
        self._limits = limits

    def build(self, request_struct_class: type[_AlterStruct]) -> _AlterStruct:
        changes = [(name, value or 0.0, value is None) for name, value in self._limits.items()]
        return request_struct_class([([(USER, self._user)], changes)], False)


def limit(bootstrap: str, user: str, limits: Mapping[str, float | None]) -> None:
    """Set limits of a user by Kafka's names, such as `consumer_byte_rate`; None takes one away. Safe to repeat.

    Raises PublishError where no broker answers, AccessRefused where it refuses.
    """
    for entry in _ask(bootstrap, _Alter(user, limits)).entries:
        _check(bootstrap, entry[0], entry[1])


def limits(bootstrap: str, user: str) -> dict[str, float]:
    """The limits of a user. Raises PublishError, AccessRefused."""
    answer = _ask(bootstrap, DescribeClientQuotasRequest([(USER, EXACTLY, user)], True))
    _check(bootstrap, answer.error_code, answer.error_message)
    return {name: value for _, values in answer.entries for name, value in values}


def _ask(bootstrap: str, request: Request[_AlterStruct] | DescribeClientQuotasRequest) -> Response:
    try:
        return asyncio.run(_send(bootstrap, request))
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise away(bootstrap, str(error) or type(error).__name__) from error


async def _send(bootstrap: str, request: Request[_AlterStruct] | DescribeClientQuotasRequest) -> Response:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS)
    try:
        await client.bootstrap()
        node = client.get_random_node()
        await client.ready(node)
        answer: Response = await client.send(node, request)
        return answer
    finally:
        await client.close()


def _check(bootstrap: str, code: int, said: str | None) -> None:
    if code:
        raise AccessRefused(f"Kafka at {bootstrap} sets no limits: {said or errors.for_code(code).__name__}")
