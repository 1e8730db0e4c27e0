"""New tables from the whole log beside the present ones, compared with them, and put in their place.

The new ones are built in a database of their own, by the code of the worker's path, from offset 0. The present ones go
on answering, and nothing is sent anywhere. Where it stands is noted in the new database after each recompute, so that
it can be stopped at any time and goes on from there.

Two ways to the switch. Where both databases have the same migrations, workers may run: what arrives while tables are
exchanged is taken in once more, which changes nothing where it was there already. Where the new one has a migration
that says `-- rebuilt` (see `projections.migrate`), rows of the version before would be wrong in it: `cakupan rebuild`
waits before the switch until its workers have stopped. How tables change places: `cakupan.switch`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from cakupan import comparing, loaders, wiring
from cakupan.comparing import TableDifference
from cakupan.loading import take_in
from cakupan.settings import Settings
from cakupan.switch import TRANSIENT, Switch, order
from events.errors import ContractError
from events.kafka import away
from projections import activation, catalogue, position, sql, whole
from projections.clickhouse import Database
from projections.migrate import MigrationChanged, RebuildNeeded, migrate, pending
from projections.sql import Migration
from streams.log_reader import LogReader, Place, Stretch, records_in

# The tables of each projection, in the order in which one is computed from the other.
PROJECTIONS: dict[str, tuple[str, ...]] = {
    "base": ("activation_event", "activity", "activated_event", "failure"),
    "coverage": ("person_day", "coverage_day"),
    "rates": ("region_minute",),
    "service": ("service_day",),
    "outreach": ("outreach_event",),
    "reference": ("denominator", "target", "figure"),
    "heartbeat": ("source_report", "source_stand"),
    "dead-letters": ("dead_letter_decision", "dead_letter"),
    "alerts": ("alert_event",),
}

BATCH_RECORDS = 50_000
RECOMPUTE_RECORDS = 1_000_000  # a recompute for so many records, and the place noted: what a stop loses at most
ROUNDS = 5  # a live system moves on while it is compared

# In the new database while it holds events that nothing has counted. Not a record: it goes when they are.
UNCOUNTED_TABLE = "uncounted"

OnProgress = Callable[[int, int], None]


class CannotRebuild(ContractError):
    """What was asked for is no projection, or what was begun belongs to other migrations."""


@dataclass
class Outcome:
    """What came of it. `records` were read in this run; `refused` of them could not be taken in.

    `shapes`: tables and columns that are new or gone, in words. `switch_seconds`: how long tables changed places.
    """

    records: int = 0
    refused: int = 0
    resumed_from: int = 0
    shapes: list[str] = field(default_factory=list)
    differences: list[TableDifference] = field(default_factory=list)
    switched: tuple[str, ...] = ()
    switch_seconds: float = 0.0


def tables_of(projection: str | None) -> tuple[str, ...]:
    """The tables to put in place; all for None. Raises CannotRebuild."""
    if projection is None:
        return tuple(table for tables in PROJECTIONS.values() for table in tables)
    if projection not in PROJECTIONS:
        raise CannotRebuild(f"PROJECTION: must be one of {', '.join(PROJECTIONS)}")
    return PROJECTIONS[projection]


class Rebuild:
    """A rebuild of one database, all of it or one projection. Methods raise PublishError, DatabaseError, CannotRebuild.

    `pending`: migrations that come with the switch.
    """

    def __init__(
        self, bootstrap: str, present: Database, new: Database, new_name: str, projection: str | None = None
    ) -> None:
        self.bootstrap = bootstrap
        self.present = present
        self.new = new
        self.new_name = new_name
        self.projection = projection
        self.tables = tables_of(projection)
        self.outcome = Outcome()
        self.pending: list[Migration] = []
        self._switch = Switch(present, new, new_name)
        self._at: dict[Place, int] = {}

    def finish_cut_short(self) -> bool:
        """Finish a switch that was cut short; returns whether there was one."""
        if not self._switch.begun():
            return False
        self._read_positions()
        self._finish()
        return True

    def prepare(self, fresh: bool) -> None:
        """Make the new database, or go on with one that was begun."""
        self.pending = self._pending()
        if fresh:
            self.drop()
        self.present.run(f"CREATE DATABASE IF NOT EXISTS {self.new_name}")
        try:
            migrate(self.new)
        except (MigrationChanged, RebuildNeeded) as error:
            raise CannotRebuild(f"what was begun in {self.new_name} is of other migrations; use --fresh") from error
        # The same hashes for erased people, or nothing could be compared.
        self.new.run("TRUNCATE TABLE erasure_key")
        self.present.run(f"INSERT INTO {self.new_name}.erasure_key SELECT * FROM erasure_key")  # noqa: S608
        self._require_from_the_log()
        self._read_positions()
        self._require_its_beginning()
        if not self._at:
            self.new.run(
                f"CREATE TABLE IF NOT EXISTS {UNCOUNTED_TABLE} (nothing UInt8) ENGINE = MergeTree ORDER BY tuple()"
            )
        self.outcome.resumed_from = sum(self._at.values())

    def load(self, on_progress: OnProgress) -> None:
        """Take the log in up to its present end, from where the new tables stand, and leave it to be counted."""
        if not self._uncounted():
            return
        with loaders.log_reader(self.bootstrap) as reader:
            ends = _ends(reader)
        left = _left(self._at, ends)
        total = sum(ends.values())
        done = total - records_in(left)
        with contextlib.closing(loaders.load(self.bootstrap, self.new, left)) as batches:
            for each in batches:
                done += self._note_in(each.records, each.refused)
                on_progress(done, total)
                self._at[each.place] = each.position
                self._note(ends, [each.place])

    def count(self, on_progress: OnProgress) -> None:
        """Count what was loaded, once and whole."""
        if not self._uncounted():
            return
        for done, total in whole.count(self.new):
            on_progress(done, total)
        self.new.run(f"DROP TABLE {UNCOUNTED_TABLE}")

    def catch_up(self, on_progress: OnProgress) -> None:
        """Take the log in up to its present end, from where the new tables stand, and count it."""
        self.load(on_progress)
        self.count(lambda *_: None)
        self._follow(self.new, self._at, on_progress, note=True)

    def compare(self) -> list[TableDifference]:
        """What differs at rest: while events come in, what is new is taken in first and looked at again."""
        present, new = comparing.tables(self.present), comparing.tables(self.new)
        self.outcome.shapes = comparing.shapes(present, new)
        both = [table for table in self.tables if table in present and table in new]
        databases = self.present, self.new
        for _ in range(ROUNDS):
            found = [comparing.compare(databases, table, present[table], new[table]) for table in both]
            self.outcome.differences = [each for each in found if each is not None]
            before = dict(self._at)
            self.catch_up(lambda *_: None)
            if not self.outcome.differences or before == self._at:
                break
        return self.outcome.differences

    def switch(self) -> None:
        """Put the new tables in place and take in what arrived meanwhile. The old ones are then beside them."""
        self.catch_up(lambda *_: None)
        present, new = comparing.tables(self.present), comparing.tables(self.new)
        changed = [name for name in new if new[name] != present.get(name)]
        self._switch.begin(order(self.tables, list(present), list(new), changed))
        self._finish()

    def drop(self) -> None:
        """Remove the other database, whatever is in it."""
        self.present.run(f"DROP DATABASE IF EXISTS {self.new_name}")

    def _finish(self) -> None:
        self.outcome.switched = tuple(self._switch.finish())
        self.outcome.switch_seconds = self._switch.seconds
        self._follow(self.present, dict(self._at), lambda *_: None, note=False)

    def _pending(self) -> list[Migration]:
        waiting = pending(self.present)
        if waiting and not waiting[0].rebuilt:
            raise CannotRebuild(f"migration {waiting[0].file} has not run here yet; run: cakupan migrate")
        if waiting and self.projection is not None:
            raise CannotRebuild(f"migration {waiting[0].file} comes with the switch of all tables; name no PROJECTION")
        return waiting

    def _require_from_the_log(self) -> None:
        """What is not built from the log keeps its table, so its columns must not change with a rebuild."""
        present, new = comparing.tables(self.present), comparing.tables(self.new)
        built = {*tables_of(None), *TRANSIENT}
        in_place = {word for each in self.pending if not each.rebuilt for word in _words(each)}
        for table in sorted(set(present) & set(new) - built - in_place):
            if present[table] != new[table]:
                raise CannotRebuild(
                    f"{table} is not built from the log: change it in a migration that does not say -- rebuilt"
                )

    def _read_positions(self) -> None:
        rows = self.new.rows(sql.query("positions"))
        self._at = {(row["topic"], row["partition"]): row["position"] for row in rows}

    def _require_its_beginning(self) -> None:
        with loaders.log_reader(self.bootstrap) as reader:
            bounds = reader.all_bounds(catalogue.PROJECTIONS)
        for place, (first, _) in bounds.items():
            if first > self._at.get(place, 0):
                raise CannotRebuild(
                    f"the log of {place[0]}, partition {place[1]}, begins at offset {first}: what came before is"
                    " gone from Kafka, and would be gone from the new tables"
                )

    def _uncounted(self) -> bool:
        found = self.new.rows(
            "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = %(name)s",
            {"name": UNCOUNTED_TABLE},
        )
        return bool(found)

    def _follow(self, database: Database, at: dict[Place, int], on_progress: OnProgress, note: bool) -> None:
        """Take in what `at` is behind, and recompute what it touches."""
        with loaders.log_reader(self.bootstrap) as reader:
            ends = _ends(reader)
            left = _left(at, ends)
            total = sum(ends.values())
            done = total - records_in(left)
            run, waiting = catalogue.new_run(), 0
            for place, messages in reader.through(left, BATCH_RECORDS):
                records = self._note_in(*take_in(database, place[0], messages, run))
                done, waiting = done + records, waiting + records
                on_progress(done, total)
                at[place] = messages[-1].offset() + 1
                if waiting >= RECOMPUTE_RECORDS:
                    self._recompute(database, run, ends if note else {})
                    run, waiting = catalogue.new_run(), 0
        if waiting:
            self._recompute(database, run, ends if note else {})

    def _note_in(self, records: int, refused: int) -> int:
        self.outcome.records += records
        self.outcome.refused += refused
        return records

    def _recompute(self, database: Database, run: int, ends: Mapping[Place, int]) -> None:
        activation.recompute(database, run)
        self._note(ends, self._at)

    def _note(self, ends: Mapping[Place, int], places: Iterable[Place]) -> None:
        """Where these partitions of the new tables stand."""
        now = dt.datetime.now(dt.UTC)
        rows = [position.Row(*place, self._at[place], ends[place], now, now) for place in places if place in ends]
        if rows:
            position.write(self.new, rows)


def of_settings(settings: Settings, projection: str | None = None) -> Rebuild:
    """Of the database that the settings name, in one beside it. Raises CannotRebuild."""
    name = f"{settings.clickhouse_database}_rebuild"
    beside = settings.model_copy(update={"clickhouse_database": name})
    return Rebuild(settings.kafka_bootstrap, wiring.database(settings), wiring.database(beside), name, projection)


def bring_up_to_date(
    settings: Settings, say: Callable[[str], None], wait_for_log: Callable[[], None] = lambda: None
) -> None:
    """Migrate, and build anew what a migration wants built. No worker may run. Raises as Rebuild and migrate do.

    `wait_for_log` is called before the log is needed, which it seldom is.
    """
    work = of_settings(settings)
    if work.finish_cut_short():
        work.drop()
    try:
        migrate(work.present)
    except RebuildNeeded as error:
        wait_for_log()
        say(f"{error.migration.title}: building the tables anew from the log")
        work.prepare(fresh=False)
        work.catch_up(_saying(say))
        work.switch()
        work.drop()


def workers(bootstrap: str, group: str) -> int:
    """How many workers there are in a consumer group. Raises PublishError."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return len(admin.describe_consumer_groups([group], request_timeout=10)[group].result().members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise away(bootstrap, error.args[0].str()) from error


def _saying(say: Callable[[str], None]) -> OnProgress:
    """Progress in words, each tenth of it once."""
    told = 0

    def on_progress(done: int, total: int) -> None:
        nonlocal told
        if total and done * 10 // total > told:
            told = done * 10 // total
            say(f"{told * 10} % of {total:,} records")

    return on_progress


def _words(migration: Migration) -> set[str]:
    return set(re.findall(r"\w+", " ".join(migration.statements)))


def _ends(reader: LogReader) -> dict[Place, int]:
    return {place: end for place, (_, end) in reader.all_bounds(catalogue.PROJECTIONS).items()}


def _left(at: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Stretch]:
    """What `at` is behind."""
    return [(place, at.get(place, 0), end) for place, end in ends.items() if at.get(place, 0) < end]
