"""Webhooks: who wants which events sent where, how far that has come, and what was given up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from events.errors import ContractError
from projections import sql
from projections.clickhouse import Database

ACTIVE, DISABLED, REMOVED = "active", "disabled", "removed"
NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Place = tuple[str, int]  # a topic's public name, partition


class BadWebhook(ContractError):
    """A webhook that can't be made, changed or found so."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Events of `topics` about `region` (0: the nation) and of `types` (empty: all) go to `url`.

    `salt`: what its secret is made of, besides a key that is not in the database. `epoch` is raised by a replay,
    `change` by everything. `state` is active, disabled or removed; `reason` says why it is disabled.
    """

    name: str
    url: str
    topics: tuple[str, ...]
    region: int
    types: tuple[str, ...]
    salt: str
    created_at: dt.datetime
    epoch: int = 1
    state: str = ACTIVE
    reason: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook and how sending goes. `failing_since`: None while the last attempt was taken."""

    webhook: Webhook
    failing_since: dt.datetime | None
    last_error: str
    parked: int


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that was given up. `topic` is the public name."""

    topic: str
    partition: int
    offset: int
    event_id: str
    reason: str
    attempts: int
    parked_at: dt.datetime

    @property
    def place(self) -> Place:
        return self.topic, self.partition


def all_(database: Database) -> list[Standing]:
    """Every webhook that was not removed, by name. Raises DatabaseError."""
    found = []
    for row in database.rows(sql.query("webhooks")):
        since, error, parked = row.pop("failing_since"), row.pop("last_error"), row.pop("parked")
        row["topics"], row["types"] = tuple(row["topics"]), tuple(row["types"])
        found.append(Standing(Webhook(**row), None if since <= NEVER else since, error, parked))
    return found


def any_active(database: Database) -> bool:
    """Whether there is anybody to deliver to."""
    return any(each.webhook.state == ACTIVE for each in all_(database))


def named(database: Database, name: str) -> Standing:
    """The webhook of this name. Raises BadWebhook that lists the names there are."""
    found = {each.webhook.name: each for each in all_(database)}
    if name not in found:
        raise BadWebhook(f"no webhook has this name; there are: {', '.join(found) or 'none'}")
    return found[name]


def write(database: Database, webhook: Webhook) -> Webhook:
    """Note a webhook as it is from now on; returns it with the number of this change."""
    (last,) = database.rows("SELECT max(change) AS change FROM webhook WHERE name = %(name)s", {"name": webhook.name})
    changed = replace(webhook, change=last["change"] + 1)
    database.insert("webhook", {each.name: [getattr(changed, each.name)] for each in fields(Webhook)})
    return changed


def positions(database: Database, webhook: Webhook) -> dict[Place, int]:
    """The next offset to send, by place."""
    params = {"name": webhook.name, "epoch": webhook.epoch}
    rows = database.rows(sql.query("webhook_positions"), params)
    return {(row["topic"], row["partition"]): row["position"] for row in rows}


def write_positions(database: Database, webhook: Webhook, at: Mapping[Place, int]) -> None:
    """Note that everything before these offsets was sent, parked or not wanted."""
    count = len(at)
    database.insert(
        "webhook_position",
        {
            "name": [webhook.name] * count,
            "epoch": [webhook.epoch] * count,
            "topic": [topic for topic, _ in at],
            "partition": [partition for _, partition in at],
            "position": list(at.values()),
        },
    )


def write_status(
    database: Database, webhook: Webhook, failing_since: dt.datetime | None, error: str, now: dt.datetime
) -> None:
    """Note how sending goes."""
    database.insert(
        "webhook_status",
        {
            "name": [webhook.name],
            "epoch": [webhook.epoch],
            "failing_since": [failing_since or NEVER],
            "last_error": [error],
            "noted_at": [now],
        },
    )


def parked(database: Database, name: str) -> list[Parked]:
    """What was given up and is not settled, in the order of the log."""
    return [Parked(**row) for row in database.rows(sql.query("webhook_parked"), {"name": name})]


def park(database: Database, name: str, what: Parked, now: dt.datetime, *, settled: bool = False) -> None:
    """Note an event as given up, or as settled since."""
    values = {each.name: [getattr(what, each.name)] for each in fields(Parked)}
    database.insert("webhook_parked", {"name": [name], **values, "settled": [settled], "noted_at": [now]})
