"""Where the answers stand in the log, how old that is, and whether any of it was generated."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from api import models
from api.shared import Shared
from projections import answers, blocks
from projections.answers import OF_LOG_PLACE, LogPlace, Place
from projections.blocks import Tables
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.facts import OF_REFERENCES, OF_SOURCES

NEVER_REPORTED = "no worker has reported yet"
NOT_VERIFIED = "not verified yet"
# The look for generated events may read a long column: it takes at most this share of the time.
SCAN_SHARE = 0.01
# So long after a question the looks go on, so that the next one finds one: it costs more than the rest of an answer.
WARM_SECONDS = 30.0
LEAST_PAUSE_SECONDS = 0.02
# The tables whose parts say whether anything has changed: those of the place, and those that api.held reads.
LOOKED_AT = (*OF_LOG_PLACE, *OF_REFERENCES, *OF_SOURCES)


@dataclass(frozen=True)
class Standing:
    """The `data` of an answer, and what is absent of it. `seen_at`: when the place had been read, in ticks; `tables`:
    what those consisted of then that are read into memory."""

    place: LogPlace
    seen_at: float
    tables: Tables
    data: models.Data
    absent: list[models.Absent]


@dataclass(frozen=True)
class Seen:
    """What a look finds. `seen_at`: when the place had been read, in ticks; `tables`: as they were before that. What
    answers say of it: `since` when they are old, None where no worker has reported, and the rest."""

    place: LogPlace
    seen_at: float
    tables: Tables
    since: dt.datetime | None
    data: models.Data
    absent: list[models.Absent]


class LogState:
    """Asks where the answers stand. Ask it before the numbers that it is to speak for.

    A look is shared for a moment: an answer may state an older position than its numbers have, never a newer one. The
    place is read again where its tables have other parts than before: to look at parts is a fifth of it.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], dt.datetime],
        share_seconds: float,
        follow: Mapping[str, Callable[[Tables], None]] | None = None,
    ) -> None:
        """`follow`: by table, what has to be taken in before answers may state a place, called after it was read."""
        self._database = database
        self._clock = clock
        self._follow = follow or {}
        self._last: Seen | None = None
        self._synthetic = Remembered(lambda: answers.synthetic(database))
        self._seen = Shared(self._look, share_seconds)
        self._share_seconds = share_seconds
        self._asked_at = float("-inf")

    def read(self) -> Standing:
        """Raises DatabaseError."""
        self._asked_at = time.monotonic()
        return self._standing(self._seen.get())

    def recent(self) -> Standing | None:
        """The same of a moment ago, without waiting for anything; None where there is none."""
        self._asked_at = time.monotonic()
        seen = self._seen.recent()
        return None if seen is None else self._standing(seen)

    def tend(self, stop: threading.Event) -> None:
        """Look again and again while questions come, and a while after the last one, until told to stop."""
        pause = self._share_seconds
        while not stop.wait(max(pause, LEAST_PAUSE_SECONDS)):
            begun = time.monotonic()
            if begun - self._asked_at < WARM_SECONDS:
                with contextlib.suppress(DatabaseError):  # whoever asks is told
                    self._seen.get()
            took = time.monotonic() - begun
            pause = max(self._share_seconds - took, took)  # half of the time at most, however long they take

    def _look(self) -> Seen:
        last, before = self._last, self._tables()
        tables = before
        if last is not None and last.tables.mark(LOOKED_AT) == before.mark(LOOKED_AT):
            place, seen_at = last.place, last.seen_at
        else:
            place, seen_at = answers.log_place(self._database), time.monotonic()
            tables = self._tables()  # what is followed has to hold what the place says
        for follow in self._follow.values():
            follow(tables)
        synthetic = self._synthetic.at(tuple((each.topic, each.partition, each.next) for each in place.taken))
        since = _oldest(place.taken)
        data, absent = _told(place, since, synthetic=synthetic)
        self._last = Seen(place, seen_at, before, since, data, absent)
        return self._last

    def _tables(self) -> Tables:
        return blocks.read(self._database, *LOOKED_AT, *self._follow)

    def _standing(self, seen: Seen) -> Standing:
        data = seen.data.model_copy(update={"age_seconds": _age(seen.since, self._clock())})
        return Standing(seen.place, seen.seen_at, seen.tables, data, seen.absent)


def _told(place: LogPlace, since: dt.datetime | None, *, synthetic: bool) -> tuple[models.Data, list[models.Absent]]:
    """What answers say of a place but for their age, and what is absent of it."""
    missing: dict[str, str] = {}
    if since is None:
        missing |= dict.fromkeys(("position", "age_seconds"), NEVER_REPORTED)
    if not place.verified:
        missing |= dict.fromkeys(("verified_up_to", "verified_at"), NOT_VERIFIED)
    data = models.Data(
        position=offsets(place.taken),
        age_seconds=None,
        verified_up_to=offsets(place.verified),
        verified_at=min((each.checked_at for each in place.verified), default=None),
        synthetic=synthetic,
    )
    return data, [models.Absent(field=f"data.{name}", reason=reason) for name, reason in missing.items()]


class Remembered:
    """A yes or no about the log: a yes stays, a no is looked up again where the log has moved on."""

    def __init__(self, look: Callable[[], bool], ticks: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._ticks = ticks
        self._lock = threading.Lock()
        self._known = False
        self._found = False
        self._at: Hashable = None
        self._not_before = 0.0

    def at(self, position: Hashable) -> bool:
        """The answer at this position of the log, or while another thread looks, the last one."""
        if self._found or not self._lock.acquire(blocking=not self._known):
            return self._found
        try:
            if not self._known or (position != self._at and self._ticks() >= self._not_before):
                self._look_again(position)
            return self._found
        finally:
            self._lock.release()

    def _look_again(self, position: Hashable) -> None:
        begun = self._ticks()
        self._found = self._look()
        took = self._ticks() - begun
        self._known, self._at, self._not_before = True, position, begun + took / SCAN_SHARE


def offsets(places: Sequence[Place]) -> models.Offsets:
    """{topic: {partition: offset}}."""
    found: models.Offsets = {}
    for each in places:
        found.setdefault(each.topic, {})[str(each.partition)] = each.next
    return found


def age_seconds(taken: Sequence[Place], now: dt.datetime) -> float | None:
    """How old the answers are: since the worker found the log's end, or, where it lags, since the last record taken in.

    None where no worker has reported.
    """
    return _age(_oldest(taken), now)


def _age(since: dt.datetime | None, now: dt.datetime) -> float | None:
    return None if since is None else max(round((now - since).total_seconds(), 3), 0.0)


def _oldest(taken: Sequence[Place]) -> dt.datetime | None:
    if not taken:
        return None
    lagging = [each.record_at for each in taken if not each.caught_up]
    return min(lagging) if lagging else min(each.checked_at for each in taken)
