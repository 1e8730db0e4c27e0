"""Subscribers: what a province or a regency needs to read events and answers, made and taken away as one.

A subscriber is a Kafka user with what it may read, and a key of the API, both under one name. Kafka has the first, the
table `api_key` the second; what is cut short is finished, or taken away, by doing it again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cakupan import wiring
from cakupan.settings import Settings
from events import access, regions, topics
from events.errors import AccessRefused
from events.provinces import topics_of
from events.regions import Region
from projections import keys
from projections.keys import Key

LEVELS = ("nation", "province", "regency")


@dataclass(frozen=True)
class Credentials:
    """What a subscriber gets, once. `kafka`: settings of its clients, the password among them; `api_key`: a secret."""

    name: str
    region: Region
    topics: tuple[str, ...]
    group_prefix: str
    kafka: dict[str, str]
    api_key: str
    expires_at: dt.datetime


@dataclass(frozen=True)
class Subscriber:
    """One as it stands. `region`, `connections`, `expires_at`: the key's, None without one. `topics`: what it reads."""

    name: str
    region: Region | None
    connections: int | None
    expires_at: dt.datetime | None
    topics: tuple[str, ...]
    state: str


def add(settings: Settings, code: str, name: str, *, days: int, connections: int, byte_rate: float) -> Credentials:
    """A new subscriber of a region, with the topics of its province where they are missing.

    Raises AccessRefused for a name or a region that can't be, PublishError, DatabaseError.
    """
    region, now = scope(code), _now()
    access.check_name(name)
    database = wiring.database(settings)
    if name in {each.name for each in keys.list_(database)}:
        raise AccessRefused(f"the name {name} is taken: rotate that subscriber, remove it, or choose another name")
    access.require_free(settings.kafka_bootstrap, name)
    if region.level == "province":
        topics.apply(
            settings.kafka_bootstrap, replication=settings.kafka_replication, declared=topics_of(region.number)
        )
    password = access.grant(settings.kafka_bootstrap, name, access.topics_for(region), byte_rate)
    expires_at = now + dt.timedelta(days=days)
    secret = keys.add(database, name, region.number, connections, expires_at, now)
    return _credentials(settings, name, region, password, secret, expires_at)


def rotate(settings: Settings, name: str, *, days: int) -> Credentials:
    """A new password and a new key in place of those before. Raises as `add` does."""
    access.check_name(name)
    database = wiring.database(settings)
    region = regions.region(keys.named(database, name).region)
    password = access.rotate(settings.kafka_bootstrap, name)
    expires_at = _now() + dt.timedelta(days=days)
    secret = keys.rotate(database, name, expires_at)
    return _credentials(settings, name, region, password, secret, expires_at)


def remove(settings: Settings, name: str) -> None:
    """Take rights, password and key away; the topics stay. Raises AccessRefused where nobody is called so."""
    access.check_name(name)
    known = access.revoke(settings.kafka_bootstrap, name)
    database = wiring.database(settings)
    keyed = name in {each.name for each in keys.list_(database)}
    if keyed:
        keys.remove(database, name)
    if not (keyed or known):
        names = ", ".join(each.name for each in list_(settings)) or "none"
        raise AccessRefused(f"no subscriber has this name; there are: {names}")


def list_(settings: Settings) -> list[Subscriber]:
    """Everyone who has a key or something in Kafka, by name. Raises PublishError, DatabaseError."""
    found = {each.name: each for each in keys.list_(wiring.database(settings)) if not access.is_ours(each.name)}
    rights = {each.name: each for each in access.list_(settings.kafka_bootstrap)}
    return [_subscriber(name, found.get(name), rights.get(name)) for name in sorted(found.keys() | rights.keys())]


def scope(code: str) -> Region:
    """The region of a subscriber. Raises UnknownRegion, AccessRefused for one that is too small."""
    region = regions.region(regions.parse_code(code))
    if region.level not in LEVELS:
        raise AccessRefused(
            f"a subscriber is of a province or a regency such as 61 or 61.01, or of the nation, 0;"
            f" {region.code} is a {region.level}"
        )
    return region


def _subscriber(name: str, key: Key | None, rights: access.Rights | None) -> Subscriber:
    return Subscriber(
        name,
        regions.region(key.region) if key else None,
        key.connections if key else None,
        key.expires_at if key else None,
        rights.topics if rights else (),
        _state(key, rights),
    )


def _state(key: Key | None, rights: access.Rights | None) -> str:
    if key is None:
        return "no key: remove it, and add it again"
    if rights is None or not rights.password or not rights.topics:
        return "not in Kafka: remove it, and add it again"
    return "key expired: rotate it" if key.expired(_now()) else "well"


def _credentials(
    settings: Settings, name: str, region: Region, password: str, secret: str, expires_at: dt.datetime
) -> Credentials:
    return Credentials(
        name,
        region,
        access.topics_for(region),
        access.group_prefix(name),
        access.client_settings(settings.subscriber_bootstrap, str(settings.subscriber_ca), name, password),
        secret,
        expires_at,
    )


def _now() -> dt.datetime:
    """To the millisecond, as it is kept."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
