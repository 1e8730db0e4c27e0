"""The last two days' events by minute in memory: what rates are made of. What is not here is asked of the table.

It follows its table as `api.memory` does. Reading takes no lock: what is held is never written to, another takes its
place.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from projections import blocks, minutes
from projections.answers import Count
from projections.blocks import Tables
from projections.clickhouse import Database
from projections.errors import DatabaseError
from projections.minutes import LATEST, TABLE, Channels, Rows

HELD_MINUTES = 2 * 1440
SLICE_MINUTES = 120  # read at once while the memory is filled
MOST_BESIDE = 50_000  # rows kept beside the others before they are sorted in
LOAD_SHARE = 0.5  # of the time, so that answers are not held up
TEND_SECONDS = 2.0
NOT_YET = -1  # before every block


@dataclass(frozen=True)
class Kept:
    """Rows of the minutes from `since`, and what has to be added to them; `seen`: the last block of it."""

    since: int
    rows: Rows
    beside: Rows
    seen: int
    identity: object

    def plus(self, change: Rows, seen: int) -> Kept:
        return replace(self, beside=self.beside.plus(change) if len(change.keys) else self.beside, seen=seen)


class Recent:
    """Rates of the last hours. `clock` says what is now. Not `on`: nothing is held."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime], *, on: bool = True) -> None:
        self._database = database
        self._clock = clock
        self._on = on
        self._lock = threading.Lock()
        self._channels = Channels()
        self._kept: Kept | None = None

    def rates(self, region: int, end: dt.datetime) -> list[Count] | None:
        """As `answers.rates`, without asking the table; None where that is not here."""
        kept, number = self._kept, minutes.number_of(end)
        if kept is None or number - minutes.WINDOWS[-1] < kept.since:
            return None
        return minutes.rates((kept.rows, kept.beside), tuple(self._channels.names), region, number)

    def follow(self, tables: Tables | None = None) -> None:
        """Take in what was written to the table so far, or until `tables` were looked at. Call it after the position
        was read. Raises DatabaseError.
        """
        if self._kept is None:
            return
        with self._lock:
            if self._kept is not None:
                self._kept = self._followed(self._kept, tables)

    def fill(self, stop: threading.Event) -> None:
        """Read what is to be held, unless that was done, in parts, so that it takes a share of the time only. Raises
        DatabaseError."""
        if not self._on or self._kept is not None:
            return
        now, leisurely = minutes.number_of(self._clock()), self._database.at_leisure()
        table = blocks.read(self._database, TABLE)[TABLE]
        kept = Kept(now - HELD_MINUTES, Rows.none(), Rows.none(), table.newest, table.identity)
        slices = [*range(kept.since, now, SLICE_MINUTES), LATEST]
        for begin, end in pairwise(slices):
            begun = time.monotonic()
            rows = minutes.fresh(leisurely, self._channels, NOT_YET, begin, end)
            kept = replace(kept, rows=kept.rows.plus(rows))
            if stop.wait((time.monotonic() - begun) * (1 - LOAD_SHARE) / LOAD_SHARE):
                return
        with self._lock:
            self._kept = self._followed(kept)

    def tend(self, stop: threading.Event) -> None:
        """Fill it and keep it up until told to stop; while the table is away, wait."""
        pause = 0.0
        while not stop.wait(pause):
            pause = TEND_SECONDS
            with contextlib.suppress(DatabaseError):  # whoever asks is told
                self.fill(stop)
                self.follow()
                self._sort_in()

    def size(self) -> int:
        """Bytes held."""
        kept = self._kept
        return 0 if kept is None else kept.rows.bytes + kept.beside.bytes

    def _followed(self, kept: Kept, tables: Tables | None = None) -> Kept | None:
        """With all that was written meanwhile; None where rows may have changed otherwise: all is to be read anew."""
        if tables is None or tables[TABLE].newest < kept.seen:  # another look was faster
            tables = blocks.read(self._database, TABLE)
        table = tables[TABLE]
        if table.identity != kept.identity or table.newest < kept.seen:
            return None
        if table.newest == kept.seen:
            return kept
        written = minutes.fresh(self._database, self._channels, kept.seen, kept.since, LATEST)
        return kept.plus(minutes.newer((kept.rows, kept.beside), written), table.newest)

    def _sort_in(self) -> None:
        """Now and then, since sorting takes a while; what is too old goes."""
        with self._lock:
            kept = self._kept
            if kept is None or len(kept.beside.keys) < MOST_BESIDE:
                return
            since = max(kept.since, minutes.number_of(self._clock()) - HELD_MINUTES)
            rows = kept.rows.plus(kept.beside).since(since)
            self._kept = replace(kept, since=since, rows=rows, beside=Rows.none())
