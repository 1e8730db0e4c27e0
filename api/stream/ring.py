"""The newest events of the log in memory, once for all who read them.

Ring     every event that the tail has read, in the order in which it was; the oldest go as new ones come
Channel  those of them that pass one filter, in one format: what all who ask for the same share
Cursor   how far one reader has come in a channel. It has no queue: what it was not given yet stands in the ring, and
         where the ring has moved past it, the reader was too slow

A vector is the next offset of each of the ring's places, in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from events.feed import Filter, Place, Positions, Record, write_positions

Vector = tuple[int, ...]
Format = Callable[[bytes, bytes], bytes]  # an id and an event's data to what is sent

MOST_CHUNK_BYTES = 65_536


class TooSlow(Exception):
    """Something that this reader was to get has left the ring."""


class Entry:
    """A record in the ring. `number` counts all that were ever in it, `after` says where the tail stood behind it."""

    __slots__ = ("after", "number", "record")

    def __init__(self, number: int, record: Record, after: Vector) -> None:
        self.number = number
        self.record = record
        self.after = after


class Ring:
    """At most `most` events and about `most_bytes` of their data."""

    def __init__(self, places: Sequence[Place], at: Vector, most: int, most_bytes: int) -> None:
        self.places = tuple(places)
        self.index = {place: number for number, place in enumerate(self.places)}
        self.now = at  # the tail's vector
        self.before = at  # and the one before the oldest entry
        self.next = 0  # number of the next entry
        self.entries: deque[Entry] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0

    @property
    def first(self) -> int:
        """Number of the oldest entry that is there, or will be."""
        return self.next - len(self.entries)

    def append(self, record: Record, after: Vector) -> Entry:
        entry = Entry(self.next, record, after)
        self.entries.append(entry)
        self.next += 1
        self.now = after
        self._bytes += len(record.data)
        while len(self.entries) > self._most or self._bytes > self._most_bytes:
            oldest = self.entries.popleft()
            self.before = oldest.after
            self._bytes -= len(oldest.record.data)
        return entry

    def reaches(self, vector: Vector) -> bool:
        """Whether all that is behind this vector is in the ring, or will be."""
        return _covers(vector, self.before)

    def passed(self, vector: Vector) -> bool:
        """Whether the tail has come as far as this vector."""
        return _covers(self.now, vector)

    def move(self, vector: Vector) -> None:
        """The tail has come so far, over records that are no events."""
        self.now = vector

    def vector(self, positions: Positions) -> Vector:
        """The positions as a vector; what they don't name is where the tail is."""
        return tuple(positions.get(place, now) for place, now in zip(self.places, self.now, strict=True))


@dataclass(eq=False)
class Cursor:
    """How far a reader has come: up to entry `next`. `own`: what it has got besides, if it came from the past.

    `given`: the vector behind what it got last.
    """

    next: int
    own: Vector | None
    given: Vector


@dataclass(eq=False)
class Channel:
    """What one filter lets through, in one format, from where the tail was when somebody first asked for it."""

    ring: Ring
    filter: Filter
    format: Format
    entries: deque[Entry] = field(default_factory=deque)
    lost: int = -1  # number of the newest entry that has left

    def __post_init__(self) -> None:
        feeds = set(self.filter.feeds)
        self._shown = [number for number, (feed, _) in enumerate(self.ring.places) if feed in feeds]
        self._places = [self.ring.places[number] for number in self._shown]
        self._before = self.ring.now
        self._shared: tuple[int, int, Vector, bytes] | None = None

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._trim()

    def id(self, vector: Vector) -> bytes:
        """The vector as readers see it: the places of their feeds."""
        return write_positions(self._places, [vector[number] for number in self._shown])

    def join(self, vector: Vector | None = None) -> Cursor:
        """A cursor behind this vector, which the ring must reach; None: behind all that there is."""
        if vector is None:
            return Cursor(self.ring.next, None, self.ring.now)
        if not _covers(vector, self._before):
            self._before = self.ring.before
            self.entries = deque(each for each in self.ring.entries if self.filter.wants(each.record))
        return Cursor(self.ring.first, vector, vector)

    def take(self, cursor: Cursor) -> bytes:
        """What comes next for a reader, up to so many bytes; empty: nothing now. Raises TooSlow."""
        self._trim()
        if self.lost >= cursor.next and not self._had(cursor):
            raise TooSlow
        if cursor.own is not None:
            return self._take_own(cursor)
        return self._take_shared(cursor)

    def _take_shared(self, cursor: Cursor) -> bytes:
        if cursor.next == self.ring.next:
            return b""
        made = self._shared
        if made is None or made[0] != cursor.next or not (made[3] or made[1] > self._newest()):
            made = self._shared = self._make(cursor.next)
        _, cursor.next, cursor.given, chunk = made
        return chunk

    def _make(self, first: int) -> tuple[int, int, Vector, bytes]:
        parts, size = [], 0
        for entry in self._from(first):
            parts.append(self.format(self.id(entry.after), entry.record.data))
            size += len(parts[-1])
            if size >= MOST_CHUNK_BYTES:
                return first, entry.number + 1, entry.after, b"".join(parts)
        return first, self.ring.next, self.ring.now, b"".join(parts)

    def _take_own(self, cursor: Cursor) -> bytes:
        """The same for one that came from the past: it has some of this already, and ids of its own."""
        own, parts, size = cursor.own, [], 0
        assert own is not None  # noqa: S101 -- take saw to it
        end, now = self.ring.next, self.ring.now
        for entry in self._from(cursor.next):
            if entry.record.offset < own[self.ring.index[entry.record.place]]:
                continue
            own = _furthest(own, entry.after)
            parts.append(self.format(self.id(own), entry.record.data))
            size += len(parts[-1])
            if size >= MOST_CHUNK_BYTES:
                end, now = entry.number + 1, entry.after
                break
        own = _furthest(own, now)
        cursor.next, cursor.given = end, own
        cursor.own = own if own != now else None
        return b"".join(parts)

    def _had(self, cursor: Cursor) -> bool:
        """Whether what has left the ring was not for this reader any more: it had all of that before it came."""
        own = cursor.own
        return own is not None and _covers(own, self.ring.before)

    def _newest(self) -> int:
        return self.entries[-1].number if self.entries else -1

    def _from(self, first: int) -> Iterable[Entry]:
        """Entries from this number on. They are looked for from the end: most readers are near it."""
        return reversed(list(_until(reversed(self.entries), first)))

    def _trim(self) -> None:
        first = self.ring.first
        while self.entries and self.entries[0].number < first:
            self.lost = self.entries.popleft().number


def _until(entries: Iterator[Entry], first: int) -> Iterator[Entry]:
    for entry in entries:
        if entry.number < first:
            return
        yield entry


def _covers(one: Vector, other: Vector) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))


def _furthest(one: Vector, other: Vector) -> Vector:
    return tuple(map(max, one, other))
