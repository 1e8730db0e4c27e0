"""Who has moved before: of everybody else a recompute need look for events only where they were written lately.

To look for a person among 66 million events takes 40 µs, and of most who are activated there are none. So a worker
holds who has a move in the event base (an event that decides who counts where, see `queries/parts/lives.sql`) in blocks
up to some number. ClickHouse numbers the blocks of a table in the order in which they become visible, and a row keeps
its number when parts are merged. So whoever is not held has no move but in later blocks, whoever wrote it: this worker,
another one, a repair, an erasure. What is held is what was read of the table; nothing is assumed of those who write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from projections import native, pseudonyms, sql
from projections.base import Frames
from projections.clickhouse import Database

MOVES = ("Activated", "Deactivated", "SubjectArrived", "SubjectDeparted")
LEAST_EVENTS = 2_000_000  # in the base: among fewer anybody is found soon
FEW_PEOPLE = 100  # new in a run: to look for them everywhere takes less than a statement with two parts
CHUNK_EVENTS = 250_000  # read in one statement, roughly
ROOM = 1.25  # people held at most, times those there were
MOST_BYTES = 256 << 20

Numbers = npt.NDArray[np.uint64]


class People:
    """A set of pseudonyms in a byte each, where `most` of them are in it.

    It takes 3 of 100 others for one who is in it, more where there are more than `most`; never the other way round.
    Each sets four bits of one word: Putze, Sanders, Singler, Cache-, Hash- and Space-Efficient Bloom Filters (2007).
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0  # of those added, whether or not they had been in it
        self._words = np.zeros(max(min(most, MOST_BYTES) // 8, 1), np.uint64)

    def add(self, pseudonyms: bytes) -> None:
        """Put these in, 16 bytes each. Others may look meanwhile."""
        places, bits = self._find(pseudonyms)
        self.count += len(places)
        while len(places):
            self._words[places] |= bits  # of two in one word the last one holds
            left = self._words[places] & bits != bits
            places, bits = places[left], bits[left]

    def holds(self, pseudonyms: bytes) -> npt.NDArray[np.bool_]:
        """Whether each of these, 16 bytes each, may be in it."""
        places, bits = self._find(pseudonyms)
        held: npt.NDArray[np.bool_] = self._words[places] & bits == bits
        return held

    @property
    def size(self) -> int:
        """What it takes, in bytes."""
        return self._words.nbytes

    def _find(self, pseudonyms: bytes) -> tuple[Numbers, Numbers]:
        """The word and the bits of each."""
        mixed = _mixed(pseudonyms)
        places = (mixed >> np.uint64(32)) * np.uint64(len(self._words)) >> np.uint64(32)
        bits = np.zeros_like(mixed)
        for shift in (0, 6, 12, 18):
            bits |= np.uint64(1) << (mixed >> np.uint64(shift) & np.uint64(63))
        return places, bits


def _mixed(pseudonyms: bytes) -> Numbers:
    """64 bits of each, all of which depend on all of it: the finalizer of MurmurHash3 (Austin Appleby)."""
    low, high = np.frombuffer(pseudonyms, np.uint64).reshape(-1, 2).T
    mixed: Numbers = low ^ high * np.uint64(0x9E3779B97F4A7C15)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(33)
    return mixed


@dataclass(frozen=True)
class Since:
    """Where all moves of new people are: in blocks behind `block` of the event base, while it has this mark."""

    mark: str
    block: int


@dataclass(frozen=True)
class Look:
    """What came of a look at some events: how many are of `new` people, and where all of their moves are."""

    new: int = 0
    since: Since | None = None


@dataclass(frozen=True)
class _Held:
    since: Since
    people: People


class Known:
    """Who is known, held in memory. One that keeps it up, any number that look."""

    def __init__(self, database: Database, least_events: int = LEAST_EVENTS) -> None:
        self._database = database.at_leisure()
        self._least_events = least_events
        self._held: _Held | None = None

    @property
    def people(self) -> People | None:
        """Who is held; None while nobody is."""
        return self._held.people if self._held else None

    def look(self, frames: Frames) -> tuple[Frames, Look]:
        """The same events with a column `known`, where there is anything to tell."""
        held = self._held  # before looking: who is put in meanwhile only makes more known
        if held is None:
            return frames, Look()
        told, new = dict(frames), 0
        for name in MOVES:
            if name in frames:
                known = held.people.holds(native.sixteen_bytes(frames[name]["subject_id"]))
                told[name] = frames[name].with_columns(pl.Series("known", known))
                new += len(known) - int(known.sum())
        return told, Look(new, held.since)

    def forget(self) -> None:
        """Hold nobody: what the database has may be something else from now on."""
        self._held = None

    def keep_up(self) -> Iterator[None]:
        """Read who has moved since, or everybody for the first time, a part of them at each step.

        Raises DatabaseError. Nobody is held before everybody was read once.
        """
        held = self._held
        stand = self._stand(held.since.block if held else -1)
        if held and not _goes_on(held, stand):
            self.forget()
            held, stand = None, self._stand(-1)
        if held is None:
            if stand["events"] < self._least_events:
                return
            held = _Held(Since(stand["mark"], -1), People(round(stand["events"] * ROOM)))
        for piece in pseudonyms.cut(-(-stand["fresh"] // CHUNK_EVENTS)):
            held.people.add(self._read(held.since.block, *piece))
            yield
        self._held = replace(held, since=Since(stand["mark"], stand["newest"]))

    def _stand(self, seen: int) -> dict[str, Any]:
        return self._database.rows(sql.query("known_stand"), {"seen": seen})[0]

    def _read(self, seen: int, low: int, high: int) -> bytes:
        params = {"seen": seen, **pseudonyms.between(low, high)}
        (row,) = self._database.rows(sql.query("known_people"), params)
        return bytes.fromhex(row["people"])


def _goes_on(held: _Held, stand: dict[str, Any]) -> bool:
    """Whether it is the same table with more in it, and not more than there is room for."""
    same = stand["mark"] == held.since.mark and stand["newest"] >= held.since.block
    return same and held.people.count <= held.people.most


def since(looks: Sequence[Look]) -> Since | None:
    """Where to look for those who were new at any of these; None: everywhere, as for those known.

    None where few are new, and where the table is not the same for all.
    """
    found = [each for each in looks if each.new and each.since]
    marks = {each.since.mark for each in found if each.since}
    if sum(each.new for each in found) < FEW_PEOPLE or len(marks) != 1:
        return None
    return Since(marks.pop(), min(each.since.block for each in found if each.since))
