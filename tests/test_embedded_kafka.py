"""The embedded Apache Kafka: the real broker, its jars, and what it says when it can't start."""

import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from cakupan.embedded import jars, kafka
from cakupan.embedded.errors import StackError
from cakupan.embedded.kafka import KafkaNode
from tests.conftest import free_port

HOST = "127.0.0.1"


def new_node(data_dir: Path) -> KafkaNode:
    return KafkaNode(data_dir, free_port(), free_port())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    started = new_node(tmp_path_factory.mktemp("kafka") / "data")
    started.start()
    started.wait_ready()
    yield started
    started.stop()
    assert not started.running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[KafkaNode]:
    """A node that a test may end."""
    own = new_node(tmp_path / "data of a café ☕")
    yield own
    if own.running:
        own.kill()


def make_topic(node: KafkaNode) -> str:
    name = f"test.{uuid.uuid4().hex}"
    client = AdminClient({"bootstrap.servers": node.bootstrap})
    client.create_topics([NewTopic(name, 2, 1)])[name].result(20)
    return name


def produce(node: KafkaNode, topic: str, count: int) -> None:
    failures: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer({"bootstrap.servers": node.bootstrap, "enable.idempotence": True, "linger.ms": 5})
    for number in range(count):
        producer.produce(topic, str(number).encode(), on_delivery=delivered)
    assert producer.flush(30) == 0
    assert not failures


def consume(node: KafkaNode, topic: str, count: int) -> set[int]:
    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    found: list[int] = []
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        messages = consumer.consume(count, 1)
        assert all(message.error() is None for message in messages)
        found += [int(message.value() or b"") for message in messages]
    consumer.close()
    assert len(found) == len(set(found))
    return set(found)


def test_what_is_produced_is_consumed(node: KafkaNode) -> None:
    topic = make_topic(node)
    produce(node, topic, 1000)
    assert consume(node, topic, 1000) == set(range(1000))


def test_topics_are_not_made_by_a_misspelt_name(node: KafkaNode) -> None:
    client = AdminClient({"bootstrap.servers": node.bootstrap})
    assert client.list_topics("nosuch", timeout=10).topics["nosuch"].error is not None
    assert "nosuch" not in client.list_topics(timeout=10).topics


def test_it_listens_on_loopback_only(node: KafkaNode) -> None:
    local = node.local_properties()
    assert local["listeners"].count("127.0.0.1") == 2
    assert not any("127.0.0.1" in value or "/" in value for value in kafka.SERVER_PROPERTIES.values())


def test_acknowledged_events_survive_a_kill(own: KafkaNode) -> None:
    own.start()
    own.wait_ready()
    topic = make_topic(own)
    produce(own, topic, 500)
    own.kill()
    assert not own.running
    own.start()
    own.wait_ready()
    assert consume(own, topic, 500) == set(range(500))
    produce(own, topic, 1)
    started = time.monotonic()
    own.stop()
    assert time.monotonic() - started < 25
    assert not own.running


def refused(node: KafkaNode) -> StackError:
    with pytest.raises(StackError) as caught:
        node.start()
        node.wait_ready()
    assert caught.value.what in str(caught.value)
    assert caught.value.fix in str(caught.value)
    return caught.value


def test_a_taken_port_is_named(own: KafkaNode, node: KafkaNode) -> None:
    own.port = node.port
    assert str(node.port) in refused(own).what
    own.port, own.controller_port = free_port(), node.controller_port
    assert str(node.controller_port) in refused(own).what


META = "version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"storage/meta.properties": META.format(cluster="another", node=1), "cluster-id": "this"}, "another cluster"),
        ({"storage/meta.properties": META.format(cluster="this", node=7), "cluster-id": "this"}, "node 7"),
        ({"storage/meta.properties": "\x00\x01"}, "unreadable"),
        ({"storage/topic-0/00000.log": ""}, "no storage"),
        ({"thesis.txt": "mine"}, "thesis.txt"),
    ],
)
def test_a_folder_that_is_not_its_own_is_left_alone(own: KafkaNode, files: dict[str, str], said: str) -> None:
    for name, content in files.items():
        path = own.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert said in refused(own).what
    present = {str(path.relative_to(own.data_dir)) for path in own.data_dir.rglob("*") if path.is_file()}
    assert present == set(files)


def test_a_file_is_no_folder(own: KafkaNode) -> None:
    own.data_dir.write_text("a file")
    assert str(own.data_dir) in refused(own).what


def test_a_java_that_cannot_start_tells_why(own: KafkaNode) -> None:
    own.jvm_options = ("-Xmx1nonsense",)
    assert "Invalid maximum heap size" in refused(own).what


def test_a_broker_that_cannot_start_tells_why(own: KafkaNode) -> None:
    own.properties = {"log.segment.bytes": "none"}
    assert "log.segment.bytes" in refused(own).what


def test_a_full_disk_is_named(own: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        free = 5

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Full)
    assert "full" in refused(own).what


# The jars


def test_the_lock_names_each_jar_and_no_host() -> None:
    locked = jars.locked()
    assert "org.apache.kafka:kafka_2.13:4.3.1" in {jar.name for jar in locked}
    assert len({jar.file_name for jar in locked}) == len(locked)
    assert "//" not in jars.LOCK.read_text()


def test_a_damaged_lock_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "kafka.lock"
    lock.write_text("a:b:1 sha256:short\n")
    with pytest.raises(StackError, match="damaged"):
        jars.locked(lock)


def test_an_unreachable_repository_says_what_to_do(own: KafkaNode, tmp_path: Path) -> None:
    own.cache_dir = tmp_path / "cache"
    own.remotes = {"closed": f"http://{HOST}:{free_port()}"}
    error = refused(own)
    assert "can't be reached" in error.what
    assert "CAKUPAN_MAVEN_REPOSITORY" in error.fix
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_with_its_jars_present_it_needs_no_network(node: KafkaNode) -> None:
    remotes = {"closed": f"http://{HOST}:{free_port()}"}
    assert len(jars.provide(node.cache_dir, remotes=remotes)) == len(jars.locked())


class Repository:
    """A Maven repository on loopback that answers every path with the same bytes, or 404."""

    def __init__(self, content: bytes | None) -> None:
        self._content = content
        self._listener = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                status = "404 Not Found" if self._content is None else "200 OK"
                body = self._content or b""
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                client.sendall(head.encode() + body)

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize(("content", "said"), [(b"another file", "sha256 differs"), (None, "does not have it")])
def test_what_is_not_the_locked_jar_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    repository = Repository(content)
    with pytest.raises(StackError, match=said):
        jars.provide(tmp_path, remotes={"test": repository.url})
    repository.close()
    assert not list(tmp_path.rglob("*.jar"))


def test_a_damaged_jar_is_brought_again(node: KafkaNode, tmp_path: Path) -> None:
    sources = jars.provide(node.cache_dir)
    cache = tmp_path / "kafka"
    cache.mkdir()
    for source in sources:
        shutil.copy(source, cache)
    damaged = min(sources, key=lambda path: path.stat().st_size)
    whole = damaged.read_bytes()
    (cache / damaged.name).write_bytes(whole[:100])
    repository = Repository(whole)
    told: list[tuple[str, int, int]] = []
    jars.provide(tmp_path, lambda *progress: told.append(progress), {"test": repository.url})
    repository.close()
    assert (cache / damaged.name).read_bytes() == whole
    assert [progress[1:] for progress in told] == [(len(sources), len(sources))]
