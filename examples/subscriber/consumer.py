"""A subscriber: takes a province's events into a table of its own, each once, whatever happens on the way.

    pip install -r requirements.txt
    python consumer.py client.properties --registry http://127.0.0.1:8000 --topics ikd.p61.activation.v1

client.properties is what Cakupan's operator hands over. Records may come twice (after a crash, here or there), so:

* what was read is in SQLite before its place is committed in Kafka: a crash repeats, and loses nothing;
* a delivery is known by topic, partition and offset, an event by its `event_id`: what comes again changes nothing;
* the same id with other particulars is a correction by the source: what was recorded last holds;
* SubjectErased takes the pseudonym out of what is held, and out of what comes later.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import datetime as dt
import hashlib
import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TABLES = """
PRAGMA secure_delete = ON;  -- what is erased is overwritten in the file too
-- Every delivery, also those of one event: what receipts are compared with.
CREATE TABLE IF NOT EXISTS delivery (topic, partition, "offset", event_id, time, region,
    PRIMARY KEY (topic, partition, "offset"));
-- Every event once. `region`: code as in ce_subject; `subject_id`: NULL where there is no person, or one was erased.
CREATE TABLE IF NOT EXISTS event (event_id PRIMARY KEY, topic, type, region, recorded_at, subject_id, body);
CREATE INDEX IF NOT EXISTS event_of_subject ON event (subject_id);
-- SHA-256 of erased pseudonyms, which lead back to none: for what comes late.
CREATE TABLE IF NOT EXISTS erased (subject PRIMARY KEY);
"""
FATAL = (KafkaError._AUTHENTICATION, KafkaError._SSL)
AT_ONCE = 500  # records in one transaction


def main() -> None:
    options = arguments()
    with contextlib.closing(sqlite3.connect(options.store)) as store:
        store.executescript(TABLES)
        if options.export:
            export(store)
        else:
            consume(options, store)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Takes events of Cakupan into SQLite, each once.")
    parser.add_argument("properties", nargs="?", type=Path, help="client.properties, from Cakupan's operator")
    parser.add_argument("--registry", help="schema registry: Cakupan's API, or another with the same schemas")
    parser.add_argument("--topics", nargs="+", help="ikd.p61.activation.v1 and the like")
    parser.add_argument("--store", default="copy.db", help="the SQLite file (copy.db)")
    parser.add_argument("--once", action="store_true", help="end when all that is there was read")
    parser.add_argument("--export", action="store_true", help="print the deliveries as CSV for a check of receipts")
    options = parser.parse_args()
    if not options.export and not (options.properties and options.registry and options.topics):
        parser.error("client.properties, --registry and --topics are needed, or --export")
    return options


def settings(path: Path) -> dict[str, str]:
    """Lines `name=value`; `#` begins a comment. Exits where the file can't be used."""
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        return {name.strip(): value.strip() for name, value in (line.split("=", 1) for line in lines)}
    except (OSError, ValueError) as error:
        sys.exit(f"{path} can't be read as lines of name=value: {error}")


def consume(options: argparse.Namespace, store: sqlite3.Connection) -> None:
    read = AvroDeserializer(SchemaRegistryClient({"url": options.registry}))
    given = settings(options.properties)
    own = {
        # The same member after a crash goes on at once; a second one on the same copy puts the first one out.
        "group.instance.id": given.get("sasl.username", "consumer"),
        "enable.auto.commit": False,  # a place is committed when what lies before it is in the store
        "auto.offset.reset": "earliest",
        "enable.partition.eof": options.once,
        "error_cb": stop_if_fatal,
    }
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.closing(Consumer({**given, **own})) as consumer:
            consumer.subscribe(options.topics)
            for messages in batches(consumer, options.once):
                with store:  # one transaction: all of it, or none
                    for message in messages:
                        take(store, message, read)
                consumer.commit(asynchronous=False)
    except KeyboardInterrupt:
        print("stopped; the next start goes on from here", file=sys.stderr)
    except KafkaException as error:
        sys.exit(f"Kafka: {error.args[0].str()}")


def stop_if_fatal(error: KafkaError) -> None:
    """A wrong password or certificate will not mend by itself; a broker that is away comes back, and is waited for."""
    if error.code() in FATAL or error.fatal():
        raise KafkaException(error)
    print(f"Kafka: {error.str()}", file=sys.stderr)


def batches(consumer: Consumer, once: bool) -> Iterator[list[Message]]:
    """Records as they come. With `once` it ends when every partition was read to its end."""
    ended: set[tuple[str, int]] = set()
    while True:
        good = []
        for message in consumer.consume(AT_ONCE, timeout=1):
            if (error := message.error()) is None:
                good.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add((message.topic(), message.partition()))
            else:
                raise KafkaException(error)
        if good:
            yield good
        mine = {(each.topic, each.partition) for each in consumer.assignment()}
        if once and mine and mine <= ended:
            return


def take(store: sqlite3.Connection, message: Message, read: AvroDeserializer) -> None:
    """Put one record in the store. What is there already changes nothing."""
    if message.value() is None:  # a compacted topic says so that a key has gone
        return
    event = plain(read(message.value(), SerializationContext(message.topic(), MessageField.VALUE)))
    said = {name: value.decode() for name, value in message.headers() or []}
    arrived = said.get("cakupan_arrived") or iso(dt.datetime.fromtimestamp(message.timestamp()[1] / 1000, dt.UTC))
    place = (message.topic(), message.partition(), message.offset())
    store.execute(
        "INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?, ?)",
        (*place, event["event_id"], arrived, said["ce_subject"]),
    )
    subject = event.pop("subject_id", None)
    if said["ce_type"] == "SubjectErased":
        erase(store, subject)
    if subject and store.execute("SELECT 1 FROM erased WHERE subject = ?", (digest(subject),)).fetchone():
        subject = None
    changed = store.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO UPDATE SET region = excluded.region,"
        " recorded_at = excluded.recorded_at, body = excluded.body WHERE excluded.recorded_at > event.recorded_at",
        (
            event["event_id"],
            message.topic(),
            said["ce_type"],
            said["ce_subject"],
            event["recorded_at"],
            subject,
            json.dumps(event),
        ),
    ).rowcount
    if changed:
        print(arrived, message.topic(), said["ce_type"], said["ce_subject"], event.get("numerator", ""), flush=True)


def erase(store: sqlite3.Connection, subject: str) -> None:
    """The person's events stay, so that counts stay, and nothing says any more that they belong to one person."""
    store.execute("INSERT OR IGNORE INTO erased VALUES (?)", (digest(subject),))
    store.execute("UPDATE event SET subject_id = NULL WHERE subject_id = ?", (subject,))


def digest(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def plain(event: dict[str, Any]) -> dict[str, Any]:
    """Ids as hexadecimal digits, times as text: what JSON and SQLite take."""
    return {name: simple(value) for name, value in event.items()}


def simple(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def export(store: sqlite3.Connection) -> None:
    out = csv.writer(sys.stdout)
    out.writerow(["topic", "partition", "offset", "event_id", "time", "region"])
    out.writerows(store.execute('SELECT topic, partition, "offset", event_id, time, region FROM delivery'))


if __name__ == "__main__":
    main()
