"""Receipts, signed when an hour is over: what the topics of the provinces, and the public one, held of it.

The topics are read again, by other code than what filled them. The receipts' own topic is the memory: an hour has a
receipt for the whole topic, which comes last, or it is counted again. Deliveries that a crash has repeated don't count
twice: an event counts in the hour in which it arrived, once, and where it was delivered first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from events import jsonform, regions
from events.catalogue import COVERAGE, RECEIPT
from events.errors import PublishError
from events.provinces import name_of
from events.publisher import Publisher
from events.receipts import HOUR_MS, WHOLE, Receipt, Signer, from_json, hour_of, receipts_of, regency_of
from streams.fanout import CLOCKS_DIFFER_MS, Progress
from streams.log_reader import LogReader
from streams.metrics import FANOUT
from streams.resting import with_rests
from streams.routing import ARRIVED, SOURCES

log = logging.getLogger(__name__)

LOOK_SECONDS = 20.0
SLICE = 20_000
FIRST_SLICE = 100  # of a partition: mostly enough to see that nothing more of an hour comes
SHORT_WAIT = 0.05
NOTHING = "0" * 16
_SCHEMA = {
    "hour": pl.String,
    "region": pl.String,
    "event_id": pl.Binary,
    "partition": pl.Int64,
    "offset": pl.Int64,
}


@dataclass
class _Account:
    """How far a topic has receipts: up to which hour, and the next offset of each partition to look at.

    `nothing`: the hour up to which it has no event at all, so that there is nothing to write.
    """

    hour: str = ""
    nothing: str = ""
    next: dict[int, int] = field(default_factory=dict)


class Accountant:
    """Writes receipts. Methods raise PublishError."""

    def __init__(self, bootstrap: str, signer: Signer) -> None:
        self._publisher = Publisher(bootstrap)
        self._signer = signer
        self._reader = LogReader(bootstrap, "cakupan-receipts", SHORT_WAIT)
        self._accounts: dict[str, _Account] = {}

    def __enter__(self) -> Accountant:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._publisher.discard()

    def look(self, progress: Progress, now_ms: int) -> int:
        """Receipts for every topic that has any, for the hours that are over; returns how many were written."""
        provinces = progress.provinces  # before the times: they hold for these
        reached = {name_of(topic, each): progress.reached.get(topic, 0) for topic in SOURCES for each in provinces}
        passed = now_ms - CLOCKS_DIFFER_MS
        everyone = (each.number for each in regions.children()[regions.NATION])
        reached |= {name_of(COVERAGE, each): passed for each in everyone} | {COVERAGE: passed}
        known = self._reader.topics()
        self._accounts = {topic: account for topic, account in self._accounts.items() if topic in known}
        return sum(
            self.close(topic, until)
            for topic, until in reached.items()
            if topic in known and receipt_topic(topic) in known
        )

    def close(self, topic: str, reached_ms: int) -> int:
        """Receipts for a topic's hours that were over by a time, when all of them was in it; returns how many.

        `reached_ms`: epoch milliseconds; all that arrived before is in the topic.
        """
        last = hour_of(jsonform.iso_ms(reached_ms // HOUR_MS * HOUR_MS - HOUR_MS))
        account = self._account(topic)
        if max(account.hour, account.nothing) >= last:
            return 0
        written = 0
        for events in self._hours(topic, account, last):
            written += self._write(topic, receipts_of(topic, events))
            self._note(account, events)
        if account.hour < last and account.hour:  # nothing came: the hour is over all the same
            written += self._write(topic, [Receipt(topic, WHOLE, last, 0, NOTHING)])
            account.hour = last
        elif not account.hour:  # its first events came in an hour that isn't over: they are not read at each look
            account.nothing = last
        return written

    def _account(self, topic: str) -> _Account:
        if topic not in self._accounts:
            account = _Account()
            for each in read_receipts(self._reader, receipt_topic(topic)):
                if each.topic == topic and each.region == WHOLE:
                    account.hour = max(account.hour, each.hour)
                    for partition, (_, end) in each.offsets.items():
                        account.next[partition] = max(end + 1, account.next.get(partition, 0))
            self._accounts[topic] = account
        return self._accounts[topic]

    def _note(self, account: _Account, events: pl.DataFrame) -> None:
        account.hour = max(account.hour, str(events["hour"].max()))
        for partition, end in events.group_by("partition").agg(pl.col("offset").max()).iter_rows():
            account.next[partition] = max(end + 1, account.next.get(partition, 0))

    def _hours(self, topic: str, account: _Account, last: str) -> Iterator[pl.DataFrame]:
        """Events of the hours after the account's up to `last`, some whole hours at a time.

        In each partition events stand in the order of arrival, so an hour is complete when every partition has one of a
        later hour. What was delivered again is of an hour that was seen, or is told apart by its id.
        """
        bounds = {place[1]: each for place, each in self._reader.all_bounds([topic]).items()}
        at = {each: max(low, account.next.get(each, 0)) for each, (low, _) in bounds.items()}
        size = dict.fromkeys(bounds, FIRST_SLICE)
        through = dict.fromkeys(bounds, account.hour)  # all of a partition's up to this hour is in `waiting`
        waiting = pl.DataFrame(schema=_SCHEMA)
        while (least := min(through.values())) < last:
            partition = min(each for each, hour in through.items() if hour == least)
            end = min(at[partition] + size[partition], bounds[partition][1])
            messages = self._reader.read({(topic, partition): (at[partition], end)})[topic, partition]
            read = events_of(with_rests(messages))  # events are passed on in the same process, and wait for nothing
            at[partition], size[partition] = end, SLICE
            newest = max([least, *read["hour"].to_list()])
            through[partition] = last if end == bounds[partition][1] or newest > last else _before(newest, least)
            waiting = pl.concat([waiting, read.filter((pl.col("hour") > account.hour) & (pl.col("hour") <= last))])
            done = pl.col("hour") <= min(through.values())
            complete, waiting = waiting.filter(done), waiting.filter(~done)
            if complete.height:
                yield complete

    def _write(self, topic: str, receipts: Sequence[Receipt]) -> int:
        for each in receipts:
            signed = self._signer.sign(each)
            self._publisher.send(receipt_topic(topic), signed.name.encode(), signed.to_json().encode())
        self._publisher.flush()
        FANOUT.receipts.labels(topic).inc(len(receipts))
        return len(receipts)


def receipt_topic(topic: str) -> str:
    """Where the receipts for a topic are: `ikd.p61.outreach.v1` -> `ikd.p61.receipt.v1`."""
    *before, _, _ = topic.split(".")
    return ".".join([*before, *RECEIPT.split(".")[1:]])


def read_receipts(reader: LogReader, topic: str) -> list[Receipt]:
    """The receipts of a topic, of each name the last, in order of time. Raises PublishError, ReceiptError."""
    found: dict[str, Receipt] = {}
    for messages in reader.whole(topic, SLICE):
        for message in messages:
            receipt = from_json(message.value())
            found[receipt.name] = receipt
    return sorted(found.values(), key=lambda each: (each.hour, each.topic, each.region))


def read_copy(reader: LogReader, topic: str) -> pl.DataFrame:
    """A topic itself, as a copy of it: see `events.copies`."""
    pieces = [events_of(each) for each in reader.whole(topic, SLICE)]
    whole = pl.concat([pl.DataFrame(schema=_SCHEMA), *pieces])
    return whole.with_columns(pl.lit(topic).alias("topic"), pl.col("hour").alias("time")).drop("hour")


def events_of(messages: Iterable[Any]) -> pl.DataFrame:
    """Hour, region, id and place of each record, from its headers; without a time of arrival, that of the record."""
    rows = []
    for message in messages:
        said = dict(message.headers() or ())
        arrived = said[ARRIVED].decode() if ARRIVED in said else jsonform.iso_ms(message.timestamp()[1])
        event_id = bytes.fromhex(said["ce_id"].decode().replace("-", ""))
        region = regency_of(said["ce_subject"].decode())
        rows.append((hour_of(arrived), region, event_id, message.partition(), message.offset()))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def run(bootstrap: str, signer: Signer, progress: Progress, ended: threading.Event) -> None:
    """Write receipts until `ended`."""
    while not ended.is_set():
        try:
            with Accountant(bootstrap, signer) as accountant:
                while not ended.wait(LOOK_SECONDS):
                    accountant.look(progress, time.time_ns() // 1_000_000)
        except PublishError as error:
            FANOUT.retries.labels("receipts").inc()
            log.warning("%s; again in %.0f s", error, LOOK_SECONDS)


def _before(hour: str, least: str) -> str:
    """The moment before an hour begins, as an hour sorts; never before `least`."""
    return max(hour[: -len(":00:00Z")], least)
