"""Tables of a new database in the place of those of the present one.

ClickHouse exchanges two tables in one step, and several in one statement, but not several in one step: a query that
reads two of them may meet one before and one after. It takes some milliseconds a table. No answer is wrong in between:

* Base tables go before those computed from them. A recompute under way then reads a new table and writes to an old one,
  which is discarded, never the other way round.
* An answer reads its count from one table in one query. Counts, denominators and targets are separate facts, each named
  with its source, and each is the old or the new one.
* With `known_at` it reads people from `person_day` and their events from `activation_event`: each person counts as in
  the old or as in the new tables.
* Decisions on dead letters go before the letters: a letter that was settled never shows as open.

What is to be exchanged is noted before, and each new table carries a mark in its comment, which goes where it goes: so
the next `cakupan rebuild` finishes a switch that was cut short, whatever had been done. The engine's own ids would do,
but the embedded one shows none for its database `default`. It moves no table there either: one that is new gets an
empty one in its place first, and is exchanged as the others.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator, Sequence

from projections import activation, catalogue
from projections import migrate as migrations
from projections.clickhouse import Database
from projections.migrate import RebuildNeeded

# Empty while no worker runs: they come along when their columns change.
TRANSIENT = ("activation_in", *activation.TOUCHED, "erasing")

NOTES_TABLE = "switching"
NOTES = (
    "CREATE TABLE IF NOT EXISTS switching (place UInt32, name String, mark String) ENGINE = MergeTree ORDER BY place"
)
MARKS = "SELECT name, comment FROM system.tables WHERE database = currentDatabase()"
VIEWS = """
SELECT database, name, engine = 'MaterializedView' AS materialized, create_table_query AS text
FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%%View'
"""

_DROPPED = re.compile(r"DROP\s+(?:TABLE|VIEW)\s+(?:IF\s+EXISTS\s+)?(\w+)", re.IGNORECASE)


class Switch:
    """From one database to another beside it. Methods raise DatabaseError."""

    def __init__(self, present: Database, new: Database, new_name: str) -> None:
        self.present = present
        self.new = new
        self.new_name = new_name
        self.seconds = 0.0  # that the exchange took

    def begun(self) -> bool:
        """Whether one was cut short."""
        found = self.present.rows(
            "SELECT 1 FROM system.tables WHERE database = %(name)s AND name = 'switching' AND total_rows > 0",
            {"name": self.new_name},
        )
        return bool(found)

    def begin(self, names: Sequence[str]) -> None:
        """Note what takes whose place, in this order. `names`: those that both have and new ones."""
        mark = f"rebuilt {catalogue.new_run()}"
        there = _marks(self.present)
        for name in names:
            if name not in there:
                self.present.run(f"CREATE TABLE {name} AS {self.new_name}.{name}")
            self.new.run(f"ALTER TABLE {name} MODIFY COMMENT %(mark)s", {"mark": mark})
        self.new.run(NOTES)
        count = len(names)
        self.new.insert("switching", {"place": list(range(count)), "name": list(names), "mark": [mark] * count})

    def finish(self) -> list[str]:
        """Do what was noted and is not done, then note the migrations that came with it. Repeating it changes nothing.

        Returns what is in place now. Where the columns of the door or of what a worker notes change, no worker may run.
        """
        with _undisturbed():
            noted = {row["name"]: row["mark"] for row in self.new.rows("SELECT * FROM switching ORDER BY place")}
            anew = self._views_to_make(set(noted) & set(TRANSIENT))
            for name in anew:
                if anew[name].startswith("CREATE MATERIALIZED"):
                    self.present.run(f"DROP VIEW IF EXISTS {name}")
            self._exchange(noted)
            for text in anew.values():
                self.present.run(text)
            self._note_migrations()
        return list(noted)

    def _exchange(self, noted: dict[str, str]) -> None:
        there = _marks(self.present)
        pairs = [f"{name} AND {self.new_name}.{name}" for name, mark in noted.items() if there[name] != mark]
        if not pairs:
            return
        began = time.monotonic()
        self.present.run(f"EXCHANGE TABLES {', '.join(pairs)}")
        self.seconds = time.monotonic() - began

    def _views_to_make(self, doors: set[str]) -> dict[str, str]:
        """The statements for views that are new or read otherwise, or hang on one of these doors."""
        present, new = _views(self.present), _views(self.new)
        return {
            name: text
            for name, text in new.items()
            if present.get(name) != text or any(re.search(rf"\b{door}\b", text) for door in doors)
        }

    def _note_migrations(self) -> None:
        ahead = migrations.pending(self.new)  # of a version that came after this switch was cut short
        rebuilt = [each for each in migrations.pending(self.present) if each.rebuilt and each not in ahead]
        dropped = _DROPPED.findall("\n".join(text for each in rebuilt for text in each.statements))
        for name in sorted(set(dropped) - set(_marks(self.new))):
            self.present.run(f"DROP TABLE IF EXISTS {name}")
        migrations.note(self.present, rebuilt)
        with contextlib.suppress(RebuildNeeded):  # the next one, which is another rebuild
            migrations.migrate(self.present)


def order(names: Sequence[str], present: Sequence[str], new: Sequence[str], changed: Sequence[str]) -> list[str]:
    """What to switch: `names`, doors whose columns changed, and tables that only the new database has."""
    doors = [name for name in TRANSIENT if name in changed]
    known = {*names, *present, NOTES_TABLE}
    return [*names, *doors, *(name for name in new if name not in known)]


def _marks(database: Database) -> dict[str, str]:
    return {row["name"]: row["comment"] for row in database.rows(MARKS)}


def _views(database: Database) -> dict[str, str]:
    """Statements that make the views, wherever they run: names of the database itself left out."""
    found = {}
    for row in database.rows(VIEWS):
        text = re.sub(rf"`?\b{re.escape(row['database'])}\b`?\.", "", row["text"])
        found[row["name"]] = text if row["materialized"] else text.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
    return found


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until it is done, which is soon."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
