"""The log as others follow it without Kafka: feeds by public names, places in them, events as CloudEvents.

Feed       what a topic is called outside: activation, outreach, coverage, alert
Place      a feed and a partition
Positions  by place, the next offset wanted; written down, it is the id of an event in a stream, and all that it takes
           to go on exactly behind that event
Record     one event, ready to be sent
Filter     which records somebody wants, and may have
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from events import codec, jsonform, outline, regions, rules
from events.catalogue import ACTIVATION, ALERT, BY_SCHEMA_ID, COVERAGE, EVENTS, OUTREACH, schema
from events.errors import ContractError
from events.outline import Flags, Longs
from events.regions import LEVELS, Level

Place = tuple[str, int]  # feed, partition
Positions = Mapping[Place, int]

FEEDS: Final[dict[str, str]] = {
    "activation": ACTIVATION,
    "outreach": OUTREACH,
    "coverage": COVERAGE,
    "alert": ALERT,
}
BY_TOPIC: Final[dict[str, str]] = {topic: feed for feed, topic in FEEDS.items()}
COVERAGE_FEED: Final = "coverage"
PUBLIC_FEEDS: Final = frozenset({COVERAGE_FEED, "alert"})  # hold no person: those with a public part

TYPES: Final[dict[str, str]] = {each.name: BY_TOPIC[each.topic] for each in EVENTS.values() if each.topic in BY_TOPIC}

LONGEST_ID = 8192
MEDIA_TYPE = "application/cloudevents+json"

# Where an event happened: the first of these that it has. Whoever moves, moves between two regions.
_ABOUT = ("domicile", "region", "service_region")
_AND_ABOUT = "counterpart"
_OUTLINED = frozenset({ACTIVATION, OUTREACH})
_BETWEEN_TWO = frozenset(
    each.name
    for each in EVENTS.values()
    if any(part["name"] == _AND_ABOUT for part in schema(each.newest.schema_id)["fields"])
)


class BadPositions(ContractError):
    """A text is no list of positions in these feeds."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event of a feed. `regions`: numbers of the regions that it is about, one or two.

    `data` is a CloudEvent in JSON, in one line. `arrived_ms` is the broker's time of arrival.
    """

    place: Place
    offset: int
    arrived_ms: int
    event_id: str
    type: str
    regions: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Filter:
    """What of the feeds somebody gets. Hashable: who wants the same is served together.

    regions   by feed that is wanted: the region that an event must be about, or lie in
    types     names of event types; empty: all
    scope     the region that everything may be seen of; None: nothing but what is public
    public    the finest level of PUBLIC_FEEDS that everybody may see; None: of nothing
    """

    regions: tuple[tuple[str, int], ...]
    types: frozenset[str] = frozenset()
    scope: int | None = None
    public: Level | None = "nation"

    @property
    def feeds(self) -> tuple[str, ...]:
        return tuple(feed for feed, _ in self.regions)

    def wants(self, record: Record) -> bool:
        """Whether the record is wanted, and may be seen."""
        return self.passes(record) and any(
            feed == record.place[0] and any(region in regions.ancestors_of(each) for each in record.regions)
            for feed, region in self.regions
        )

    def passes(self, record: Record) -> bool:
        """The same of a record that is known to be about one of the regions wanted."""
        if self.types and record.type not in self.types:
            return False
        if self.scope == regions.NATION:
            return True
        if record.place[0] in PUBLIC_FEEDS and _is_public(record.regions[0], self.public):
            return True
        return self.scope is not None and any(self.scope in regions.ancestors_of(each) for each in record.regions)


def _is_public(region: int, public: Level | None) -> bool:
    return public is not None and LEVELS.index(regions.level_of(region)) <= LEVELS.index(public)


def read(message: Any) -> Record | None:
    """A record of Kafka as an event. None: the contracts refuse it, which makes it a dead letter and no event."""
    topic, raw, arrived_ms = message.topic(), message.value(), message.timestamp()[1]
    try:
        event = codec.decode(raw, topic)
        rules.check(event.values, arrived_ms)
    except ContractError:
        return None
    given = jsonform.to_json(event)
    about = next(event.values[name] for name in _ABOUT if name in event.values)
    counterpart = event.values.get(_AND_ABOUT)
    return Record(
        (BY_TOPIC[topic], message.partition()),
        message.offset(),
        arrived_ms,
        given["event_id"],
        event.type.name,
        (about,) if counterpart is None else (about, counterpart),
        _cloud_event(given, about),
    )


def _cloud_event(given: Mapping[str, Any], about: int) -> bytes:
    """CloudEvents 1.0, structured. `data` is the event's JSON form, as docs/events.md shows it."""
    return compact(
        {
            "specversion": "1.0",
            "id": given["event_id"],
            "source": given["source"],
            "type": given["type"],
            "subject": regions.format_code(about),
            "time": given["occurred_at"],
            "datacontenttype": "application/json",
            "data": given,
        }
    )


def compact(value: Any) -> bytes:
    """JSON in one line, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def write_positions(places: Sequence[Place], offsets: Sequence[int]) -> bytes:
    """Positions as JSON: `[{"topic":"activation","partition":0,"offset":123}, ...]`."""
    parts = [
        f'{{"topic":"{feed}","partition":{partition},"offset":{offset}}}'
        for (feed, partition), offset in zip(places, offsets, strict=True)
    ]
    return f"[{','.join(parts)}]".encode()


def read_positions(text: str, feeds: Iterable[str]) -> dict[Place, int]:
    """The inverse. Raises BadPositions for what is none, or names another feed than these."""
    if len(text) > LONGEST_ID:
        raise BadPositions(f"is longer than {LONGEST_ID} characters")
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not listed:
        raise BadPositions('is no list such as [{"topic":"coverage","partition":0,"offset":123}]')
    found: dict[Place, int] = {}
    for each in listed:
        place, offset = _position(each, tuple(feeds))
        if place in found:
            raise BadPositions("names a partition twice")
        found[place] = offset
    return found


def _position(each: Any, feeds: Sequence[str]) -> tuple[Place, int]:
    if not isinstance(each, dict) or each.keys() != {"topic", "partition", "offset"}:
        raise BadPositions("holds something else than topic, partition and offset")
    feed, partition, offset = each["topic"], each["partition"], each["offset"]
    if not isinstance(feed, str) or feed not in feeds:
        raise BadPositions("names a topic that this stream is not of")
    if not (_is_count(partition, 2**31) and _is_count(offset, 2**63)):
        raise BadPositions("has a partition or an offset that is no whole number from 0 on")
    return (feed, partition), offset


def _is_count(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def sift(wanted: Filter, messages: Sequence[Any]) -> list[bool]:
    """Which messages may pass the filter, told without decoding them: for readers of a long past of a small region.

    False is certain. Where an event is about two regions, or nothing can be told, it is True.
    """
    keep = [not wanted.types or _type_of(each.value()) in wanted.types for each in messages]
    for topic in {each.topic() for each in messages}:
        region = dict(wanted.regions)[BY_TOPIC[topic]]
        if topic in _OUTLINED and region != regions.NATION:
            _sift_regions(topic, region, messages, keep)
    return keep


def _sift_regions(topic: str, region: int, messages: Sequence[Any], keep: list[bool]) -> None:
    left = [n for n, each in enumerate(messages) if keep[n] and each.topic() == topic]
    if not left:
        return
    read = outline.read(topic, [messages[n].value() for n in left])
    inside = _inside(region, read.regions)
    for n, within, readable in zip(left, inside.tolist(), read.readable.tolist(), strict=True):
        keep[n] = within or not readable or _type_of(messages[n].value()) in _BETWEEN_TWO


def _inside(region: int, codes: Longs) -> Flags:
    """Whether regions lie within one. Codes of each level are a range of numbers."""
    low = high = region
    inside: Flags = codes == region
    while low < 10**9:  # down to villages
        step = 10_000 if low >= 10**5 else 100
        low, high = low * step, high * step + step - 1
        inside |= (codes >= low) & (codes <= high)
    return inside


def _type_of(raw: bytes | None) -> str | None:
    known = BY_SCHEMA_ID.get(int.from_bytes((raw or b"")[1:5], "big"))
    return None if known is None else known[0].name
