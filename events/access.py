"""Who may read what in Kafka: a subscriber's password, what it may read, how fast.

A subscriber reads its topics, and keeps its place in groups whose names begin with its own and a dot. It can do nothing
else: not write, not see other topics, groups or users. Names have no dots, so no name's groups are another's.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from events import quotas
from events.catalogue import ACTIVATION, ALERT, COVERAGE, OUTREACH
from events.errors import AccessRefused
from events.kafka import away
from events.provinces import PUBLIC, topics_of
from events.regions import NATION, Region

TIMEOUT = 20.0
ANSWER_TIMEOUT = 5.0  # for the first word of a broker
PASSWORD_BYTES = 32
# Kafka's least: more would make guessing slower, and nobody guesses 256 random bits.
ITERATIONS = 4096
MECHANISM = ScramMechanism.SCRAM_SHA_512

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
LONGEST_NAME = 40
OUR_OWN = "cakupan"  # groups of the system itself begin so
NAMES = f"letters a to z, digits and single hyphens, at most {LONGEST_NAME}, the first a letter, not {OUR_OWN} first"

BYTE_RATE = "consumer_byte_rate"
REQUEST_SHARE = "request_percentage"
DEFAULT_BYTE_RATE = 5_000_000  # bytes a second and broker: a nation's year of events in some hours
DEFAULT_REQUEST_SHARE = 25.0  # percent of one thread of the broker

REFUSALS = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SECURITY_DISABLED,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.INVALID_REQUEST,
    }
)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a subscriber has in Kafka. `topics` it reads; `password`: whether it can log in."""

    name: str
    topics: tuple[str, ...]
    password: bool


def check_name(name: str) -> None:
    """Raises AccessRefused unless a subscriber may be called so."""
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name) or is_ours(name):
        raise AccessRefused(f"a name is {NAMES}; for example dukcapil-kalbar")


def is_ours(name: str) -> bool:
    """Whether the system itself uses such names."""
    return name.startswith(OUR_OWN)


def group_prefix(name: str) -> str:
    """What the names of a subscriber's groups begin with."""
    return f"{name}."


def topics_for(region: Region) -> tuple[str, ...]:
    """What a subscriber with this scope reads: of people and outreach never more than the scope holds.

    The nation: the topics of all. A province: its own and the public ones. What is smaller: the public ones, for there
    are no topics of its own, and those of its province hold more than its scope; it has the API's streams.
    """
    if region.number == NATION:
        return (ACTIVATION, OUTREACH, COVERAGE, ALERT, *PUBLIC)
    own = [each.name for each in topics_of(region.number)] if region.level == "province" else []
    return (*own, *PUBLIC)


def grant(bootstrap: str, name: str, topics: Sequence[str], byte_rate: float = DEFAULT_BYTE_RATE) -> str:
    """Let a new subscriber read some topics; returns its password, which nobody can read again.

    `byte_rate`: bytes a second and broker that it gets at most. The password comes last: cut short, nothing is open.
    Raises AccessRefused for a name that can't be or is taken, PublishError where no broker answers.
    """
    check_name(name)
    with _admin(bootstrap) as admin:
        _require_free(admin, name)
        limit(bootstrap, name, byte_rate)
        _results(admin.delete_acls([_acls_of(name)]))  # of one of this name that was cut short, maybe of another scope
        _results(admin.create_acls(_bindings(name, topics)))
        return _set_password(admin, name)


def require_free(bootstrap: str, name: str) -> None:
    """Raises AccessRefused for a name that can't be or is taken, PublishError where no broker answers."""
    check_name(name)
    with _admin(bootstrap) as admin:
        _require_free(admin, name)


def rotate(bootstrap: str, name: str) -> str:
    """A new password in place of the one before. Raises AccessRefused where nobody is called so, PublishError."""
    with _admin(bootstrap) as admin:
        if name not in (there := _with_password(admin)):
            raise AccessRefused(
                f"Kafka has no subscriber of this name; there are: {', '.join(sorted(there)) or 'none'}"
            )
        return _set_password(admin, name)


def revoke(bootstrap: str, name: str) -> bool:
    """Take everything away, and say whether there was something. Safe to repeat.

    What it may read goes first, which also ends what it reads over open connections. Raises PublishError.
    """
    with _admin(bootstrap) as admin:
        gone = _results(admin.delete_acls([_acls_of(name)]))
        there = name in _with_password(admin)
        if there:
            _results(admin.alter_user_scram_credentials([UserScramCredentialDeletion(name, MECHANISM)]))
    quotas.limit(bootstrap, name, {BYTE_RATE: None, REQUEST_SHARE: None})
    return there or any(gone)


def limit(bootstrap: str, name: str, byte_rate: float) -> None:
    """How much a subscriber gets at most: bytes a second and broker, and a share of its threads."""
    quotas.limit(bootstrap, name, {BYTE_RATE: byte_rate, REQUEST_SHARE: DEFAULT_REQUEST_SHARE})


def list_(bootstrap: str) -> list[Rights]:
    """Everyone who has something, by name. Raises PublishError."""
    with _admin(bootstrap) as admin:
        topics: dict[str, list[str]] = {name: [] for name in _with_password(admin)}
        passwords = set(topics)
        for each in admin.describe_acls(_acls_of(None)).result(TIMEOUT):
            readable = topics.setdefault(each.principal.removeprefix("User:"), [])
            if each.restype == ResourceType.TOPIC:
                readable.append(each.name)
    return [Rights(name, tuple(sorted(names)), name in passwords) for name, names in sorted(topics.items())]


def client_settings(bootstrap: str, ca: str, name: str, password: str) -> dict[str, str]:
    """What a client of this subscriber is told, by librdkafka's names."""
    return {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": name,
        "sasl.password": password,
        "ssl.ca.location": ca,
        "group.id": f"{group_prefix(name)}main",
    }


@contextmanager
def _admin(bootstrap: str) -> Iterator[AdminClient]:
    """A client of the broker. Raises AccessRefused for what it refuses, PublishError where it does not answer."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        # What is asked next would wait for a broker much longer.
        admin.list_topics(timeout=ANSWER_TIMEOUT)
        yield admin
    except KafkaException as error:
        failure: KafkaError = error.args[0]
        if failure.code() in REFUSALS:
            raise AccessRefused(f"Kafka at {bootstrap} lets nobody change access here: {failure.str()}") from error
        raise away(bootstrap, failure.str()) from error
    except TimeoutError as error:
        raise away(bootstrap, f"not within {TIMEOUT:g} seconds") from error


def _with_password(admin: AdminClient) -> set[str]:
    described = admin.describe_user_scram_credentials().result(TIMEOUT)
    return {name for name, each in described.items() if each.scram_credential_infos}


def _require_free(admin: AdminClient, name: str) -> None:
    if name in _with_password(admin):
        raise AccessRefused(f"the name {name} is taken: rotate that subscriber, remove it, or choose another name")


def _set_password(admin: AdminClient, name: str) -> str:
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    info = ScramCredentialInfo(MECHANISM, ITERATIONS)
    _results(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(name, info, password.encode())]))
    return password


def _bindings(name: str, topics: Sequence[str]) -> list[AclBinding]:
    """Read each topic by its name, and groups by their beginning. Whoever may read may also look."""
    readable = [(ResourceType.TOPIC, each, ResourcePatternType.LITERAL) for each in topics]
    readable.append((ResourceType.GROUP, group_prefix(name), ResourcePatternType.PREFIXED))
    return [
        AclBinding(kind, resource, pattern, f"User:{name}", "*", AclOperation.READ, AclPermissionType.ALLOW)
        for kind, resource, pattern in readable
    ]


def _acls_of(name: str | None) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY,
        None,
        ResourcePatternType.ANY,
        None if name is None else f"User:{name}",
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _results(futures: Mapping[Any, Future[Any]]) -> list[Any]:
    return [each.result(TIMEOUT) for each in futures.values()]
