"""Receipts on a real Kafka: what they say of a topic, and what they find out about a copy of it."""

from __future__ import annotations

import json
import random
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cakupan import wiring
from cakupan.embedded.kafka import KafkaNode
from cakupan.settings import Settings
from events import codec, copies, identity, jsonform, outline, provinces, receipts, regions, topics
from events.catalogue import ACTIVATION, EVENTS, OUTREACH, TOPICS, examples
from events.codec import Event
from events.errors import ReceiptError
from events.publisher import Publisher, key_of
from events.receipts import HOUR_MS, WHOLE, Receipt, Signer
from streams.fanout import Fanout, Progress
from streams.log_reader import LogReader
from streams.receipts import FIRST_SLICE, Accountant, read_copy, read_receipts, receipt_topic
from streams.routing import SOURCES
from tests.support import command, own_log, until

TOPIC = "ikd.p61.activation.v1"
HOURS = 4
BEGIN = 1_782_000_000_000 // HOUR_MS * HOUR_MS  # 2026-06-21
VILLAGES = sorted(v for v in regions.village_numbers() if v // 10**8 == 61)[::97]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A log whose records arrived in several hours, some twice, passed on to a province, some twice."""
    with own_log(tmp_path_factory.mktemp("log")) as node:
        topics.apply(node.bootstrap, declared=provinces.topics_of(61))
        _stamp_by_sender(node.bootstrap, *SOURCES)
        _send_hours(node.bootstrap)
        _pass_on(node.bootstrap, lose_place=True)
        _pass_on(node.bootstrap)
        yield node


def _stamp_by_sender(bootstrap: str, *names: str) -> None:
    """So that a test need not wait for hours: the time of arrival is what the sender says."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    for name in names:
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(20)


def _send_hours(bootstrap: str) -> None:
    rng, kind = random.Random(3), EVENTS["Activated"]
    like = jsonform.from_json(examples(kind, kind.newest)[0], BEGIN).values
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
    for number in range(400 * HOURS):
        arrived = BEGIN + number * HOUR_MS // 400
        own = {"event_id": identity.new_event_id(arrived), "occurred_at": arrived, "recorded_at": arrived}
        person = rng.randrange(100).to_bytes(16, "big")
        event = Event(kind, {**like, **own, "subject_id": person, "domicile": rng.choice(VILLAGES)})
        for _ in range(2 if number % 50 == 0 else 1):  # some offices send again
            producer.produce(ACTIVATION, codec.encode(kind.name, event.values), key_of(event), timestamp=arrived)
    assert producer.flush(30) == 0


def _pass_on(bootstrap: str, lose_place: bool = False) -> None:
    """All of the log to the province; `lose_place`: without noting how far it came."""
    fanout = Fanout(bootstrap, "test-fanout")
    fanout.start()
    if lose_place:
        until("some is passed on", lambda: fanout._pass_on(fanout._main, 0.1, None) > 0)
    else:
        until("all is passed on", lambda: fanout.step() == 0 and all(fanout.reached(each) for each in SOURCES))
    fanout.close()


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def written(log: KafkaNode, signer: Signer) -> list[Receipt]:
    """Receipts for all hours but the last, which is not over."""
    with Accountant(log.bootstrap, signer) as accountant:
        assert accountant.close(TOPIC, BEGIN + (HOURS - 1) * HOUR_MS + 1) > 0
        assert accountant.close(TOPIC, BEGIN + (HOURS - 1) * HOUR_MS + 1) == 0
    return all_receipts(log.bootstrap)


@pytest.fixture(scope="module")
def copy(log: KafkaNode) -> pl.DataFrame:
    """The topic as a subscriber would keep it: a row a delivery, the doubled ones too."""
    with LogReader(log.bootstrap, "test", 0.05) as reader:
        ends = {(TOPIC, each): (0, end) for each, end in reader.heads(TOPIC).items()}
        rows = []
        for message in (each for messages in reader.read(ends).values() for each in messages):
            said = {name: value.decode() for name, value in message.headers()}
            rows.append(
                (
                    TOPIC,
                    message.partition(),
                    message.offset(),
                    said["ce_id"],
                    said["cakupan_arrived"],
                    said["ce_subject"],
                )
            )
    return pl.DataFrame(rows, schema=["topic", "partition", "offset", "event_id", "time", "region"], orient="row")


def all_receipts(bootstrap: str, topic: str = "ikd.p61.receipt.v1") -> list[Receipt]:
    with LogReader(bootstrap, "test", 0.05) as reader:
        return read_receipts(reader, topic)


def check(written: list[Receipt], held: pl.DataFrame, signer: Signer | None = None) -> list[copies.Finding]:
    return copies.check(written, copies.normal(held), signer.public if signer else None).findings


def test_receipts_count_each_event_once_where_it_arrived(
    log: KafkaNode, written: list[Receipt], copy: pl.DataFrame, signer: Signer
) -> None:
    assert copy.height > copy["event_id"].n_unique(), "the log of this test must hold doubled deliveries"
    assert {each.hour for each in written} == {receipts.hour_of(jsonform.iso_ms(BEGIN + h * HOUR_MS)) for h in range(3)}
    for each in written:
        assert receipts.is_signed(each, signer.public)
        rows = copy.filter(pl.col("time").str.slice(0, 13) == each.hour[:13])
        if each.region != WHOLE:
            rows = rows.filter(pl.col("region").str.slice(0, 5) == each.region)
        ids = [bytes.fromhex(text.replace("-", "")) for text in rows["event_id"].unique()]
        assert (each.count, int(each.digest, 16)) == (len(ids), outline.digest(ids))
        for partition, (first, last) in each.offsets.items():
            own = rows.filter(pl.col("partition") == partition).sort("offset").unique("event_id", keep="first")
            assert (own["offset"].min(), own["offset"].max()) == (first, last)
    whole = [each for each in written if each.region == WHOLE]
    assert [each.count for each in whole] == [400, 400, 400]


def test_a_whole_copy_is_complete(written: list[Receipt], copy: pl.DataFrame, signer: Signer) -> None:
    done = copies.check(written, copies.normal(copy), signer.public)
    assert (done.findings, done.too_new > 0, done.receipts > 10) == ([], True, True)
    once = copy.unique("event_id", keep="any")
    for columns in (
        ["topic", "event_id", "time", "region"],
        ["topic", "event_id", "time"],
        ["topic", "event_id", "partition", "offset"],
        ["topic", "event_id", "partition", "offset", "region"],
    ):
        assert check(written, copy.select(columns), signer) == []
        if "time" in columns:
            assert check(written, once.select(columns), signer) == []


@pytest.mark.parametrize("seed", range(8))
def test_what_is_dropped_from_a_copy_is_found_where_it_was(
    written: list[Receipt], copy: pl.DataFrame, signer: Signer, seed: int
) -> None:
    rng = random.Random(seed)
    over = copy.filter(pl.col("time") < jsonform.iso_ms(BEGIN + 3 * HOUR_MS))
    gone = over.filter(pl.col("event_id").is_in(rng.sample(sorted(set(over["event_id"])), rng.choice([1, 2, 30]))))
    left = copy.filter(~pl.col("event_id").is_in(gone["event_id"].implode()))
    where = {(each["region"][:5], each["time"][:13]) for each in gone.iter_rows(named=True)}
    found = check(written, left, signer)
    assert {(each.region, each.hour[:13]) for each in found} == where
    assert {each.kind for each in found} == {"missing"}
    assert sum(each.expected - each.found for each in found) == gone["event_id"].n_unique()
    refetched = [row for row in copy.iter_rows(named=True) if any(_within(row, each) for each in found)]
    assert set(gone["event_id"]) <= {row["event_id"] for row in refetched}
    without_places = check(written, left.select("topic", "event_id", "partition", "offset"), signer)
    assert {each.hour[:13] for each in without_places} == {hour for _, hour in where}


def _within(row: dict[str, Any], finding: copies.Finding) -> bool:
    low, high = finding.offsets.get(row["partition"], (1, 0))
    return bool(low <= row["offset"] <= high)


def test_doubling_a_copy_changes_nothing_and_foreign_events_are_found(
    written: list[Receipt], copy: pl.DataFrame, signer: Signer
) -> None:
    assert check(written, pl.concat([copy, copy.sample(500, seed=1)]), signer) == []
    some = copy.filter(pl.col("time") < jsonform.iso_ms(BEGIN + HOUR_MS))
    other = some.head(1).with_columns(pl.lit(identity.as_text(secrets.token_bytes(16))).alias("event_id"))
    (found,) = check(written, pl.concat([copy, other]), signer)
    assert (found.kind, found.found - found.expected) == ("different", 1)
    swapped = copy.filter(pl.col("event_id") != some["event_id"][0])
    (found,) = check(
        written, pl.concat([swapped, other.with_columns(some["region"].head(1), some["time"].head(1))]), signer
    )
    assert (found.kind, found.found) == ("different", found.expected)
    elsewhere = other.with_columns(pl.lit("61.99.01.2001").alias("region"))
    (found,) = check(written, pl.concat([copy, elsewhere]), signer)
    assert (found.kind, found.region, found.found) == ("unexpected", "61.99", 1)


def test_a_receipt_that_was_changed_says_nothing(written: list[Receipt], copy: pl.DataFrame, signer: Signer) -> None:
    forged = [replace(each, count=each.count - 1) if number == 0 else each for number, each in enumerate(written)]
    found = check(forged, copy, signer)
    assert ("unsigned", written[0].region, written[0].hour) in {(e.kind, e.region, e.hour) for e in found}
    other = Signer(Ed25519PrivateKey.generate())
    assert {each.kind for each in check(written, copy, other)} == {"unsigned"}


def test_an_accountant_takes_up_where_the_last_one_stopped(
    log: KafkaNode, written: list[Receipt], signer: Signer
) -> None:
    with Accountant(log.bootstrap, signer) as again:
        assert again.close(TOPIC, BEGIN + 3 * HOUR_MS + 1) == 0
        assert again.close(TOPIC, BEGIN + HOURS * HOUR_MS) > 0
    after = all_receipts(log.bootstrap)
    assert [each for each in after if each.hour < max(e.hour for e in after)] == written
    assert [each.count for each in after if each.region == WHOLE] == [400] * HOURS
    with Accountant(log.bootstrap, signer) as afresh:  # what it would have written at once
        afresh._accounts[TOPIC] = type(afresh._account(TOPIC))()
        afresh.close(TOPIC, BEGIN + HOURS * HOUR_MS)
    assert all_receipts(log.bootstrap) == after
    with Accountant(log.bootstrap, signer) as later:
        assert later.close(TOPIC, BEGIN + (HOURS + 5) * HOUR_MS) == 1  # nothing came, and the hours are over
    (empty,) = (each for each in all_receipts(log.bootstrap) if each.hour > after[-1].hour)
    assert (empty.count, empty.region, empty.offsets) == (0, WHOLE, {})


def test_what_came_in_a_topics_first_hour_is_looked_at_once_until_the_hour_is_over(
    log: KafkaNode, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, read = [0], LogReader.read

    def counted(*arguments: Any) -> Any:
        found = read(*arguments)
        records[0] += sum(len(each) for each in found.values())
        return found

    with Accountant(log.bootstrap, signer) as accountant:
        accountant._accounts[TOPIC] = type(accountant._account(TOPIC))()  # as of a topic that has no receipt yet
        monkeypatch.setattr(LogReader, "read", counted)
        assert accountant.close(TOPIC, BEGIN + 1) == 0
        seen = records[0]
        assert 0 < seen <= FIRST_SLICE * TOPICS[ACTIVATION].partitions
        assert accountant.close(TOPIC, BEGIN + 1) == 0
        assert records[0] == seen
        assert accountant.close(TOPIC, BEGIN + HOUR_MS) > 0


def test_an_hour_whose_receipts_were_cut_short_is_counted_again(log: KafkaNode, written: list[Receipt]) -> None:
    """The one for the whole topic comes last: without it the next accountant begins with that hour."""
    topics.apply(log.bootstrap, declared=provinces.topics_of(62))
    other = Signer(Ed25519PrivateKey.generate())
    partly = [other.sign(replace(each, topic="ikd.p62.activation.v1")) for each in written if each.region != WHOLE]
    with Publisher(log.bootstrap) as sender:
        for each in partly[:3]:
            sender.send("ikd.p62.receipt.v1", each.name.encode(), each.to_json().encode())
        _copy_topic(log.bootstrap, TOPIC, "ikd.p62.activation.v1", sender)
    with Accountant(log.bootstrap, other) as accountant:
        assert accountant.close("ikd.p62.activation.v1", BEGIN + 3 * HOUR_MS + 1) == len(written)
    again = {(each.region, each.hour): each.digest for each in all_receipts(log.bootstrap, "ikd.p62.receipt.v1")}
    assert again == {(each.region, each.hour): each.digest for each in written}


def _copy_topic(bootstrap: str, source: str, target: str, sender: Publisher) -> None:
    with LogReader(bootstrap, "test", 0.05) as reader:
        found = reader.read({(source, each): (0, end) for each, end in reader.heads(source).items()})
    for messages in found.values():
        for each in messages:
            sender._producer.produce(target, each.value(), each.key(), each.partition(), headers=each.headers())


def test_only_topics_that_are_passed_on_get_receipts(log: KafkaNode, signer: Signer) -> None:
    progress = Progress(frozenset(), {ACTIVATION: BEGIN + 20 * HOUR_MS, OUTREACH: BEGIN})
    with Accountant(log.bootstrap, signer) as accountant:
        before = all_receipts(log.bootstrap)
        accountant.look(progress, BEGIN)
        assert all_receipts(log.bootstrap) == before
        progress.provinces = frozenset({61})
        assert accountant.look(progress, BEGIN) > 0
    assert receipt_topic("ikd.p61.outreach.v1") == "ikd.p61.receipt.v1"
    assert receipt_topic("ikd.coverage.v1") == "ikd.receipt.v1"


@pytest.fixture
def settings(log: KafkaNode, tmp_path: Path) -> Settings:
    return Settings(kafka_bootstrap=log.bootstrap, data_dir=tmp_path)


@pytest.mark.parametrize("form", ["csv", "ndjson", "jsonl", "parquet"])
def test_a_copy_may_be_a_file_of_any_kind(
    written: list[Receipt], copy: pl.DataFrame, tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"copy.{form}"
    if form == "csv":
        copy.write_csv(path)
    elif form == "parquet":
        copy.write_parquet(path)
    else:
        copy.write_ndjson(path)
    assert copies.check(written, copies.read(path), None).findings == []
    assert copies.read(path).equals(copies.normal(copy))
    with pytest.raises(ReceiptError, match=r"is no \.csv"):
        copies.read(tmp_path / "copy.xlsx")
    (tmp_path / f"broken.{form}").write_bytes(b"\0")
    with pytest.raises(ReceiptError):
        copies.read(tmp_path / f"broken.{form}")


def test_the_command_finds_what_is_missing_in_a_file(
    settings: Settings, written: list[Receipt], copy: pl.DataFrame, signer: Signer, tmp_path: Path
) -> None:
    said, public = tmp_path / "receipts.ndjson", tmp_path / "cakupan.pub"
    said.write_text("\n".join(each.to_json() for each in written))
    public.write_text(signer.public_pem)
    options = ["--receipts", str(said), "--public-key", str(public)]
    path = tmp_path / "copy.csv"
    lost = copy.sort("time")["event_id"][0]
    copy.filter(pl.col("event_id") != lost).write_csv(path)
    done = command(settings, "receipts", "check", str(path), *options, "--json")
    (found,) = json.loads(done.stdout)["findings"]
    row = copy.filter(pl.col("event_id") == lost).row(0, named=True)
    assert done.returncode == 1
    assert (found["region"], found["hour"][:13]) == (row["region"][:5], row["time"][:13])
    low, high = found["offsets"][str(row["partition"])]
    assert low <= row["offset"] <= high


def test_the_command_reads_the_topic_itself_and_says_what_it_lacks(
    settings: Settings, written: list[Receipt], signer: Signer, tmp_path: Path
) -> None:
    wiring.public_receipt_key(settings).write_text(signer.public_pem)
    done = command(settings, "receipts", "check", "--kafka", TOPIC)
    assert (done.returncode, "the copy is complete" in done.stdout) == (0, True), done.stdout + done.stderr
    listed = command(settings, "receipts", "list", "ikd.p61.receipt.v1").stdout.splitlines()
    assert {receipts.from_json(line).name for line in listed} >= {each.name for each in written}
    for arguments, said in (
        (["check", "nowhere.csv"], "there is no file nowhere.csv"),
        (["list", "ikd.nothing"], "there is no topic ikd.nothing"),
    ):
        done = command(settings, "receipts", *arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_key_is_made_once_and_handed_out(settings: Settings) -> None:
    first = command(settings, "receipts", "key").stdout
    assert first == command(settings, "receipts", "key").stdout == wiring.public_receipt_key(settings).read_text()
    assert (settings.data_dir / "receipt-key.pem").stat().st_mode & 0o777 == 0o600
    named = settings.model_copy(update={"receipt_key": str(settings.data_dir / "nothing.pem")})
    done = command(named, "receipts", "key")
    assert (done.returncode, "CAKUPAN_RECEIPT_KEY" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"topic": ["t"]}, "no column event_id"),
        ({"topic": ["t"], "event_id": [str(b"1")]}, "needs a column time"),
        ({"topic": ["t"], "event_id": ["12"], "time": ["2026-06-21T00:00:00Z"]}, "event_id: row 1 has none"),
        ({"topic": ["t"], "event_id": ["0" * 32], "time": ["yesterday"]}, "time: row 1 has none"),
        ({"topic": ["t"], "event_id": ["0" * 32], "partition": ["0"], "offset": ["x"]}, "offset: row 1 has none"),
    ],
)
def test_a_copy_that_cannot_be_read_is_refused_in_words(rows: dict[str, list[str]], said: str) -> None:
    with pytest.raises(ReceiptError, match=re.escape(said)):
        copies.normal(pl.DataFrame(rows))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"topic": 1}', "null", "{"])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(ReceiptError):
        receipts.from_json(text)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.binary(min_size=16, max_size=16)), max_size=30))
def test_counts_and_digests_are_those_of_the_sets(pairs: list[tuple[str, bytes]]) -> None:
    frame = pl.DataFrame(pairs, schema={"region": pl.String, "event_id": pl.Binary}, orient="row")
    sums = {region: (count, digest) for region, count, digest in receipts.counted(frame, ["region"]).iter_rows()}
    sets = {region: {each for name, each in pairs if name == region} for region, _ in pairs}
    assert sums == {region: (len(ids), outline.digest(sorted(ids))) for region, ids in sets.items()}


def test_the_ten_lines_of_the_documentation_find_the_same(
    written: list[Receipt], copy: pl.DataFrame, signer: Signer, tmp_path: Path
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "receipts.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len([line for line in lines.splitlines() if line.strip() and not line.startswith(("import", "from"))]) <= 12
    script = tmp_path / "check.py"
    script.write_text(lines)
    (tmp_path / "receipts.ndjson").write_text("\n".join(each.to_json() for each in written))
    (tmp_path / "cakupan.pub").write_text(signer.public_pem)
    copy.write_csv(tmp_path / "copy.csv")
    assert _run(script) == []
    lost = copy.sort("time")["event_id"][0]
    copy.filter(pl.col("event_id") != lost).write_csv(tmp_path / "copy.csv")
    row = copy.filter(pl.col("event_id") == lost).row(0, named=True)
    (said,) = _run(script)
    assert f"{TOPIC} {row['region'][:5]} {row['time'][:13]}" in said
    forged = [replace(each, digest="0" * 16) for each in written]
    (tmp_path / "receipts.ndjson").write_text("\n".join(each.to_json() for each in forged))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "InvalidSignature" in done.stderr


def _run(script: Path) -> list[str]:
    """In plain Python, from a folder of its own: none of our code."""
    done = subprocess.run(
        [sys.executable, "-P", str(script)], cwd=script.parent, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_copy_may_be_read_from_a_topic_as_it_stands(log: KafkaNode, written: list[Receipt], signer: Signer) -> None:
    with LogReader(log.bootstrap, "test", 0.05) as reader:
        assert check(written, read_copy(reader, TOPIC), signer) == []
