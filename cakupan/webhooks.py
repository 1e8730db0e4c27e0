"""Webhooks as an operator handles them: added, looked at, sent again what was given up."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cakupan import wiring
from cakupan.secret_files import make_once
from cakupan.settings import SHORTEST_KEY, Settings, SettingsError
from events import access, feed, identity, jsonform, regions
from events.errors import ContractError
from events.feed import FEEDS, TYPES
from events.feed_reader import FeedReader
from projections import webhooks
from projections.clickhouse import Database
from projections.webhooks import ACTIVE, REMOVED, BadWebhook, Parked, Standing, Webhook
from streams.addresses import Unreachable, addresses, networks, parse
from streams.courier import Courier, Outcome, secret_of
from streams.log_reader import LogReader
from streams.webhooks import MOST_WEBHOOKS, NAME, Delivering

KEY_FILE = "webhook.key"
TEST_TYPE = "WebhookTested"


@dataclass(frozen=True)
class Added:
    """A webhook and the secret that its receiver checks signatures with."""

    webhook: Webhook
    secret: str


@dataclass
class Replayed:
    """What came of sending parked events again. `failed`: why the first that was not taken was not; empty: all were."""

    sent: int = 0
    gone: int = 0
    left: int = 0
    failed: str = ""
    places: list[str] = field(default_factory=list)


def delivering(settings: Settings) -> Delivering:
    """How this installation delivers."""
    key = signing_key(settings)
    return Delivering(
        settings.webhook_pauses,
        dt.timedelta(days=settings.webhook_disable_days),
        lambda webhook: secret_of(key, webhook.name, webhook.salt),
        networks(settings.webhook_allow),
    )


def signing_key(settings: Settings) -> bytes:
    """What secrets are made of: the setting, else a file of the data folder, made once. Raises SettingsError."""
    if settings.webhook_key:
        return settings.webhook_key.encode()
    path = settings.data_dir / KEY_FILE
    try:
        make_once(path, lambda: secrets.token_urlsafe(SHORTEST_KEY).encode())
        key = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"CAKUPAN_WEBHOOK_KEY is empty, and {path} can't be used: {error.strerror}") from None
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{path} is cut short: put it back from a copy, or remove it and rotate every webhook")
    return key.encode()


def add(settings: Settings, url: str, name: str, topics: str, region: str, types: str) -> Added:
    """A new webhook, for what comes into the log from now on.

    Raises BadWebhook, SettingsError, PublishError, DatabaseError.
    """
    access.check_name(name)
    topics_, types_ = _topics(topics), _types(types, _topics(topics))
    _check_url(settings, url)
    database, how = wiring.database(settings), delivering(settings)
    standing = webhooks.all_(database)
    if any(each.webhook.name == name for each in standing):
        raise BadWebhook(f"the name {name} is taken: remove that webhook, or choose another name")
    if len(standing) >= MOST_WEBHOOKS:
        raise BadWebhook(f"there are {len(standing)} webhooks, which is as many as one installation serves")
    made = Webhook(name, url, topics_, _region(region), types_, _salt(), dt.datetime.now(dt.UTC), epoch=_epoch())
    _begin(settings, database, made, None)
    return Added(webhooks.write(database, made), how.secret(made))


def rotate(settings: Settings, name: str) -> Added:
    """Another secret for a webhook, from the next delivery on."""
    database, how = wiring.database(settings), delivering(settings)
    made = replace(webhooks.named(database, name).webhook, salt=_salt())
    return Added(webhooks.write(database, made), how.secret(made))


def remove(settings: Settings, name: str) -> None:
    """Nothing more is sent, and the name is free."""
    database = wiring.database(settings)
    webhooks.write(database, replace(webhooks.named(database, name).webhook, state=REMOVED))


def enable(settings: Settings, name: str) -> None:
    """A disabled webhook goes on where it stopped."""
    database = wiring.database(settings)
    webhook = webhooks.named(database, name).webhook
    webhooks.write_status(database, webhook, None, "", dt.datetime.now(dt.UTC))
    webhooks.write(database, replace(webhook, state=ACTIVE, reason=""))


def replay_since(settings: Settings, name: str, since: str) -> dt.datetime:
    """Send all again that came into the log since then. Raises BadWebhook, PublishError, DatabaseError."""
    try:
        at = dt.datetime.fromisoformat(since)
    except ValueError:
        at = dt.datetime.min
    if at.tzinfo is None or at > dt.datetime.now(dt.UTC):
        raise BadWebhook("--from: must be a time with its zone, not in the future, such as 2024-06-30T10:00:00+07:00")
    database = wiring.database(settings)
    again = replace(webhooks.named(database, name).webhook, epoch=_epoch())
    _begin(settings, database, again, round(at.timestamp() * 1000))
    webhooks.write(database, again)
    return at


def replay(settings: Settings, name: str) -> Replayed:
    """Send again what is parked, in the order of the log, up to the first that is not taken."""
    database, how = wiring.database(settings), delivering(settings)
    webhook = webhooks.named(database, name).webhook
    return asyncio.run(_replay(settings, database, how, webhook, webhooks.parked(database, name)))


async def _replay(
    settings: Settings, database: Database, how: Delivering, webhook: Webhook, parked: Sequence[Parked]
) -> Replayed:
    done = Replayed(left=len(parked))
    with LogReader(settings.kafka_bootstrap, f"{NAME}-replay") as log:
        async with Courier(webhook.url, how.secret(webhook), how.allowed) as courier:
            for each in parked:
                body = _body(log, each)
                outcome = None if body is None else await courier.deliver(each.event_id, body)
                if outcome is not None and not outcome.delivered:
                    done.failed = outcome.detail
                    break
                done.sent, done.gone = done.sent + (outcome is not None), done.gone + (outcome is None)
                done.left -= 1
                webhooks.park(database, webhook.name, each, dt.datetime.now(dt.UTC), settled=True)
    return done


def _body(log: LogReader, parked: Parked) -> bytes | None:
    """The event as it is sent; None where the log has it no more."""
    for messages in log.records((FEEDS[parked.topic], parked.partition), [parked.offset]):
        for message in messages:
            record = feed.read(message)
            return None if record is None else record.data
    return None


def test(settings: Settings, name: str) -> Outcome:
    """One delivery that says nothing, to see whether it is taken."""
    database, how = wiring.database(settings), delivering(settings)
    webhook = webhooks.named(database, name).webhook
    now = time.time_ns() // 1_000_000
    event_id = identity.as_text(identity.new_event_id(now))
    body = feed.compact(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "cakupan",
            "type": TEST_TYPE,
            "time": jsonform.iso_ms(now),
            "datacontenttype": "application/json",
            "data": {},
        }
    )

    async def send() -> Outcome:
        async with Courier(webhook.url, how.secret(webhook), how.allowed) as courier:
            return await courier.deliver(event_id, body)

    return asyncio.run(send())


def list_(settings: Settings) -> list[Standing]:
    return webhooks.all_(wiring.database(settings))


def parked(settings: Settings, name: str) -> list[Parked]:
    database = wiring.database(settings)
    webhooks.named(database, name)
    return webhooks.parked(database, name)


def _begin(settings: Settings, database: Database, webhook: Webhook, since_ms: int | None) -> None:
    """Note where a webhook begins: at a time, else at the present end of the log."""
    with FeedReader(settings.kafka_bootstrap, f"{NAME}-place") as reader:
        places = reader.places(webhook.topics)
        bounds = reader.bounds(places)
        found = {} if since_ms is None else reader.first_since(places, since_ms)
    at = {place: bounds[place][1] if (first := found.get(place)) is None else first for place in places}
    webhooks.write_positions(database, webhook, at)


def _check_url(settings: Settings, url: str) -> None:
    try:
        asyncio.run(addresses(parse(url), networks(settings.webhook_allow)))
    except Unreachable as error:
        raise BadWebhook(f"URL: {error}") from None


def _topics(listed: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(listed.split(",")))
    if any(each not in FEEDS for each in named):
        raise BadWebhook(f"--topics: must be of {', '.join(FEEDS)}, separated by commas")
    return named


def _types(listed: str, topics: Sequence[str]) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(listed.split(","))) if listed else ()
    known = [name for name, topic in TYPES.items() if topic in topics]
    if any(each not in known for each in named):
        raise BadWebhook(f"--type: must be of {', '.join(known)}, separated by commas")
    return named


def _region(code: str) -> int:
    try:
        return regions.parse_code(code)
    except ContractError as error:
        raise BadWebhook(f"--region: {error}") from None


def _salt() -> str:
    return uuid.uuid4().hex


def _epoch() -> int:
    """Higher than every earlier one of any name: a name that is used anew must not find old positions."""
    return time.time_ns() // 1_000_000
