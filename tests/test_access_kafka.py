"""Who may do what in Kafka: every principal, topic and operation, on the real broker with its real listener."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from cakupan.embedded import tls
from cakupan.embedded.errors import StackError
from cakupan.embedded.kafka import KafkaNode
from events import access, quotas, regions, topics
from events.catalogue import ACTIVATION, TOPICS
from events.errors import AccessRefused, PublishError
from events.provinces import topics_of
from tests.conftest import free_port

INTERNAL, KALBAR, KALTENG, SAMBAS, NATION, NOBODY = "internal", "kalbar", "kalteng", "sambas", "nation", "nobody"
SCOPES = {KALBAR: 61, KALTENG: 62, SAMBAS: 6101, NATION: 0}
OF_61, OF_62 = (tuple(each.name for each in topics_of(each)) for each in (61, 62))
UNLISTED = "test.of.nobody"
EVERY_TOPIC = (*TOPICS, *OF_61, *OF_62, UNLISTED)
OK = "allowed"
NO_TOPIC, NO_GROUP, NO_CLUSTER = (
    KafkaError(getattr(KafkaError, f"{each}_AUTHORIZATION_FAILED")).name() for each in ("TOPIC", "GROUP", "CLUSTER")
)
OURS = "cakupan-worker"
Config = dict[str, Any]


@dataclass
class Place:
    """A broker with subscribers."""

    node: KafkaNode
    passwords: dict[str, str] = field(default_factory=dict)

    def config(self, principal: str, **more: Any) -> Config:
        if principal == INTERNAL:
            return {"bootstrap.servers": self.node.bootstrap, "group.id": f"{INTERNAL}.main", "log_level": 0} | more
        password = self.passwords[principal]
        own = access.client_settings(self.node.subscriber_bootstrap, str(self.node.ca), principal, password)
        return {**own, "log_level": 0, **more}

    def admin(self, principal: str) -> AdminClient:
        return AdminClient(without_group(self.config(principal)))


def without_group(config: Config) -> Config:
    return {key: value for key, value in config.items() if key != "group.id"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Every topic holds a record in its partition 0, and our own group and each subscriber's exist."""
    folder = tmp_path_factory.mktemp("kafka")
    node = KafkaNode(folder, port=free_port(), controller_port=free_port(), subscriber_port=free_port())
    node.start()
    node.wait_ready()
    made = Place(node)
    topics.apply(node.bootstrap, declared=[*TOPICS.values(), *topics_of(61), *topics_of(62)])
    admin = made.admin(INTERNAL)
    admin.create_topics([NewTopic(UNLISTED, 1, 1)])[UNLISTED].result(20)
    produce(made.config(INTERNAL), EVERY_TOPIC)
    for name, region in SCOPES.items():
        rights = access.topics_for(regions.region(region))
        made.passwords[name] = access.grant(node.bootstrap, name, rights)
    made.passwords[NOBODY] = access.grant(node.bootstrap, NOBODY, ())
    yield made
    node.stop()


def code_of(error: Any) -> str:
    name: str = error.name()
    return name


def outcome(future: Future[Any]) -> str:
    try:
        future.result(20)
    except KafkaException as error:
        return code_of(error.args[0])
    return OK


def produce(config: Config, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        found[str(message.topic())] = OK if error is None else code_of(error)

    producer = Producer(without_group(config))
    for name in names:
        producer.produce(name, b"x", key=b"k", partition=0, on_delivery=delivered)
    assert producer.flush(30) == 0
    return found


def describe(config: Config, names: Sequence[str]) -> dict[str, str]:
    client = AdminClient(without_group(config))
    seen = {name: client.list_topics(name, timeout=20).topics[name] for name in names}
    return {name: OK if each.error is None else code_of(each.error) for name, each in seen.items()}


def read(config: Config, names: Sequence[str]) -> dict[str, str]:
    """What the first record of each topic, or the first error about it, says."""
    found: dict[str, str] = {}
    consumer = Consumer({**config, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe(list(names))
    deadline = time.monotonic() + 30
    while len(found) < len(names) and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is not None:
            error = message.error()
            found.setdefault(str(message.topic()), OK if error is None else code_of(error))
    consumer.close()
    return found


def create(config: Config, names: Sequence[str]) -> dict[str, str]:
    """Only tried: a topic that is there already is allowed, for who may."""
    new = [NewTopic(name, 1, 1) for name in names]
    client = AdminClient(without_group(config))
    found = client.create_topics(new, validate_only=True)
    there = KafkaError(KafkaError.TOPIC_ALREADY_EXISTS).name()
    return {name: outcome(each).replace(there, OK) for name, each in found.items()}


def alter(config: Config, names: Sequence[str]) -> dict[str, str]:
    entry = [ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)]
    wanted = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=entry) for name in names]
    client = AdminClient(without_group(config))
    found = client.incremental_alter_configs(wanted, validate_only=True)
    return {each.name: outcome(future) for each, future in found.items()}


def configs(config: Config, names: Sequence[str]) -> dict[str, str]:
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    client = AdminClient(without_group(config))
    found = client.describe_configs(wanted)
    return {each.name: outcome(future) for each, future in found.items()}


def delete(config: Config, names: Sequence[str]) -> dict[str, str]:
    client = AdminClient(without_group(config))
    found = client.delete_topics(list(names))
    return {name: outcome(each) for name, each in found.items()}


def empty(config: Config, names: Sequence[str]) -> dict[str, str]:
    """Delete records before offset 0, which are none. Who sees no topic at all is refused by the client already."""
    client = AdminClient(without_group(config))
    found = client.delete_records([TopicPartition(name, 0, 0) for name in names])
    unseen = KafkaError(KafkaError._NOENT).name()
    return {each.topic: outcome(future).replace(unseen, NO_TOPIC) for each, future in found.items()}


Operation = Callable[[Config, Sequence[str]], dict[str, str]]
READING: tuple[Operation, ...] = (describe, read)
CHANGING: tuple[Operation, ...] = (produce, create, alter, configs, empty, delete)


@pytest.mark.parametrize("operation", [*READING, *CHANGING], ids=lambda each: each.__name__)
@pytest.mark.parametrize("principal", [*SCOPES, NOBODY])
def test_a_subscriber_reads_its_topics_and_does_nothing_else(
    place: Place, principal: str, operation: Operation
) -> None:
    public = {"ikd.receipt.v1"}
    mine = {
        KALBAR: {*OF_61, *public},
        KALTENG: {*OF_62, *public},
        SAMBAS: public,
        NATION: {ACTIVATION, "ikd.outreach.v1", "ikd.coverage.v1", "ikd.alert.v1", *public},
        NOBODY: set[str](),
    }[principal]
    allowed = mine if operation in READING else set()
    found = operation(place.config(principal), EVERY_TOPIC)
    assert found == {name: OK if name in allowed else NO_TOPIC for name in EVERY_TOPIC}


@pytest.mark.parametrize("operation", [describe, read, produce, create, alter, configs])
def test_our_own_parts_may_do_all(place: Place, operation: Operation) -> None:
    assert operation(place.config(INTERNAL), EVERY_TOPIC) == dict.fromkeys(EVERY_TOPIC, OK)


def test_our_own_parts_may_delete(place: Place) -> None:
    name = f"test.{uuid.uuid4().hex}"
    admin = place.admin(INTERNAL)
    assert outcome(admin.create_topics([NewTopic(name, 1, 1)])[name]) == OK
    assert delete(place.config(INTERNAL), [name]) == {name: OK}


def test_other_topics_are_not_even_seen(place: Place) -> None:
    seen = place.admin(KALBAR).list_topics(timeout=20).topics
    assert seen.keys() == {*OF_61, "ikd.receipt.v1"}
    assert set(EVERY_TOPIC) <= place.admin(INTERNAL).list_topics(timeout=20).topics.keys()


# Groups


def join(place: Place, principal: str, group: str) -> str:
    """Join a group, read a record and keep the place."""
    topic = "ikd.receipt.v1"
    produce(place.config(INTERNAL), [topic])  # wherever the group has come to, there is one
    config = place.config(principal, **{"group.id": group})
    consumer = Consumer({**config, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if error := message.error():
                return code_of(error)
            consumer.commit(message=message, asynchronous=False)
            return OK
        raise AssertionError(f"{principal} read nothing in 30 s")
    except KafkaException as error:
        return code_of(error.args[0])
    finally:
        consumer.close()


GROUPS = {
    INTERNAL: OURS,
    KALBAR: "kalbar.main",
    KALTENG: "kalteng.main",
    SAMBAS: "sambas.main",
    NATION: "nation.main",
    NOBODY: "nobody.main",
}


@pytest.mark.parametrize("group", [*GROUPS.values(), "kalbar", "kalbarx.main", "unheard-of"])
@pytest.mark.parametrize("principal", [*SCOPES, INTERNAL])
def test_a_subscriber_joins_groups_of_its_own_name_only(place: Place, principal: str, group: str) -> None:
    own = principal == INTERNAL or group.startswith(f"{principal}.")
    assert join(place, principal, group) == (OK if own else NO_GROUP)


def test_a_subscriber_sees_and_changes_no_other_group(place: Place) -> None:
    for principal in (INTERNAL, KALBAR, KALTENG):
        assert join(place, principal, GROUPS[principal]) == OK
    for principal in (KALBAR, KALTENG):
        admin = place.admin(principal)
        seen = {each.group_id for each in admin.list_consumer_groups().result(20).valid}
        assert GROUPS[principal] in seen
        assert all(each.startswith(f"{principal}.") for each in seen)
        for other in {OURS, *GROUPS.values()} - {GROUPS[principal]}:
            assert outcome(admin.describe_consumer_groups([other])[other]) == NO_GROUP
            assert outcome(admin.delete_consumer_groups([other])[other]) == NO_GROUP
    admin = place.admin(INTERNAL)
    ours = {each.group_id for each in admin.list_consumer_groups().result(20).valid}
    assert {OURS, GROUPS[KALBAR], GROUPS[KALTENG]} <= ours


@pytest.mark.parametrize("principal", [*SCOPES, NOBODY])
def test_a_subscriber_changes_no_access_and_no_broker(place: Place, principal: str) -> None:
    admin = place.admin(principal)
    anybody = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    more = AclBinding(
        ResourceType.TOPIC,
        ACTIVATION,
        ResourcePatternType.LITERAL,
        f"User:{principal}",
        "*",
        AclOperation.ALL,
        AclPermissionType.ALLOW,
    )
    password = UserScramCredentialUpsertion(
        KALBAR, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"mine now"
    )
    broker = ConfigResource(ResourceType.BROKER, "1")
    assert admin.describe_acls(anybody).result(20) == []  # its client drops the refusal
    refused = [
        admin.create_acls([more])[more],
        admin.delete_acls([anybody])[anybody],
        admin.alter_user_scram_credentials([password])[KALBAR],
        admin.describe_configs([broker])[broker],
    ]
    assert {outcome(each) for each in refused} == {NO_CLUSTER}


# Who it is


def failures(config: Config, **more: Any) -> set[str]:
    """The errors that a client meets which does not get in; empty: it got in."""
    met: set[str] = set()
    client = AdminClient({**without_group(config), **more, "error_cb": lambda error: met.add(code_of(error))})
    deadline = time.monotonic() + 30
    while not met:
        assert time.monotonic() < deadline, "neither in nor refused after 30 s"
        try:
            client.list_topics(timeout=0.3)
        except KafkaException:
            client.poll(0)
        else:
            return set()
    return met


WRONG = {
    "a wrong password": {"sasl.password": "wrong"},
    "another's password": {"sasl.username": KALTENG},
    "an unknown name": {"sasl.username": "who"},
    "the name that our own parts have": {"sasl.username": "ANONYMOUS"},
    "another way to say it": {"sasl.mechanism": "PLAIN"},
    "a weaker way": {"sasl.mechanism": "SCRAM-SHA-256"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_client_that_is_not_who_it_says_gets_nowhere(place: Place, wrong: Mapping[str, str]) -> None:
    assert KafkaError(KafkaError._AUTHENTICATION).name() in failures(place.config(KALBAR), **wrong)


def test_the_listener_is_reached_under_its_names_by_who_trusts_the_authority(place: Place) -> None:
    config = place.config(KALBAR)
    assert failures(config) == set()
    assert failures(config, **{"bootstrap.servers": f"localhost:{place.node.subscriber_port}"}) == set()


def test_without_the_authority_or_without_tls_nothing_is_said(place: Place, tmp_path: Path) -> None:
    config = place.config(KALBAR)
    another = tls.provide(tmp_path / "another").authority
    assert KafkaError(KafkaError._SSL).name() in failures(config, **{"ssl.ca.location": str(another)})
    system_only = {key: value for key, value in config.items() if key != "ssl.ca.location"}
    assert KafkaError(KafkaError._SSL).name() in failures(system_only)
    for protocol in ("SASL_PLAINTEXT", "PLAINTEXT", "SSL"):
        assert failures(config, **{"security.protocol": protocol})


def test_a_certificate_for_another_host_is_refused(place: Place, tmp_path: Path) -> None:
    """As it is on a server whose name is not in it: the client looks."""
    folder = tmp_path / "kafka"
    tls.provide(folder / "tls")
    server = folder / "tls" / "server.pem"
    local = server.read_bytes()
    tls.provide(folder / "tls", ["kafka.example.go.id"])
    assert server.read_bytes() != local
    node = KafkaNode(folder, free_port(), free_port(), subscriber_port=free_port())
    node.start()
    assert server.read_bytes() != local  # made anew for the host that it listens on
    node.wait_ready()
    password = access.grant(node.bootstrap, KALBAR, ())
    config = access.client_settings(node.subscriber_bootstrap, str(node.ca), KALBAR, password)
    assert failures({**config, "log_level": 0}) == set()
    node.stop()


# Given and taken


def test_a_new_password_takes_the_place_of_the_old(place: Place) -> None:
    name = f"n{uuid.uuid4().hex[:8]}"
    place.passwords[name] = access.grant(place.node.bootstrap, name, ["ikd.receipt.v1"])
    before = place.config(name)
    assert failures(before) == set()
    place.passwords[name] = access.rotate(place.node.bootstrap, name)
    assert place.passwords[name] != before["sasl.password"]
    assert failures(place.config(name)) == set()
    assert KafkaError(KafkaError._AUTHENTICATION).name() in failures(before)


def test_what_is_taken_away_ends_what_is_open(place: Place) -> None:
    name = f"n{uuid.uuid4().hex[:8]}"
    place.passwords[name] = access.grant(place.node.bootstrap, name, [UNLISTED])
    consumer = Consumer(place.config(name, **{"enable.auto.commit": False}))
    consumer.assign([TopicPartition(UNLISTED, 0, 0)])
    first = consumer.poll(30)
    assert first is not None
    assert first.error() is None
    assert access.revoke(place.node.bootstrap, name)
    produce(place.config(INTERNAL), [UNLISTED])
    deadline = time.monotonic() + 30
    met: set[str] = set()
    while NO_TOPIC not in met and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is not None and (error := message.error()):
            met.add(code_of(error))
    consumer.close()
    assert NO_TOPIC in met
    assert KafkaError(KafkaError._AUTHENTICATION).name() in failures(place.config(name))
    assert name not in {each.name for each in access.list_(place.node.bootstrap)}
    assert quotas.limits(place.node.bootstrap, name) == {}
    assert not access.revoke(place.node.bootstrap, name)


def test_what_an_earlier_one_of_the_name_might_read_is_not_inherited(place: Place) -> None:
    """Rights without a password, as one leaves behind that is cut short."""
    name = f"n{uuid.uuid4().hex[:8]}"
    left = AclBinding(
        ResourceType.TOPIC,
        OF_61[0],
        ResourcePatternType.LITERAL,
        f"User:{name}",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    admin = place.admin(INTERNAL)
    assert outcome(admin.create_acls([left])[left]) == OK
    assert {each.name: each.password for each in access.list_(place.node.bootstrap)}[name] is False
    place.passwords[name] = access.grant(place.node.bootstrap, name, OF_62)
    wanted = (OF_61[0], OF_62[0])
    assert describe(place.config(name), wanted) == {OF_61[0]: NO_TOPIC, OF_62[0]: OK}


def test_who_reads_more_than_its_share_is_slowed_down(place: Place) -> None:
    name = f"n{uuid.uuid4().hex[:8]}"
    place.passwords[name] = access.grant(place.node.bootstrap, name, [UNLISTED], byte_rate=2000)
    assert quotas.limits(place.node.bootstrap, name)[access.BYTE_RATE] == 2000
    producer = Producer(without_group(place.config(INTERNAL)))
    for _ in range(100):
        producer.produce(UNLISTED, b"x" * 1000)
    assert producer.flush(30) == 0
    throttled: list[float] = []
    config = place.config(
        name, **{"throttle_cb": lambda event: throttled.append(event.throttle_time), "fetch.max.bytes": 10_000}
    )
    consumer = Consumer({**config, "max.partition.fetch.bytes": 10_000, "message.max.bytes": 10_000})
    consumer.assign([TopicPartition(UNLISTED, 0, 0)])
    deadline = time.monotonic() + 60
    while not throttled and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        assert message is None or message.error() is None
    consumer.close()
    assert max(throttled) > 0


def test_they_are_listed_with_what_they_read(place: Place) -> None:
    found = {each.name: each for each in access.list_(place.node.bootstrap)}
    assert found[KALBAR].topics == tuple(sorted([*OF_61, "ikd.receipt.v1"]))
    assert found[KALBAR].password
    assert found[NOBODY].topics == ()


@pytest.mark.parametrize(
    "name", ["", "ANONYMOUS", "Kalbar", "kal.bar", "kal_bar", "-kalbar", "kalbar-", "cakupan-x", "6101", "a" * 41, "*"]
)
def test_a_name_that_can_not_be_is_refused_with_what_it_may_be(place: Place, name: str) -> None:
    with pytest.raises(AccessRefused, match="for example dukcapil-kalbar") as caught:
        access.grant(place.node.bootstrap, name, ["ikd.receipt.v1"])
    assert str(caught.value) == f"a name is {access.NAMES}; for example dukcapil-kalbar"


def test_a_taken_name_and_an_unknown_one_are_named(place: Place) -> None:
    with pytest.raises(AccessRefused, match="kalbar is taken"):
        access.grant(place.node.bootstrap, KALBAR, ["ikd.receipt.v1"])
    assert failures(place.config(KALBAR)) == set()
    with pytest.raises(AccessRefused, match=r"there are: .*kalbar"):
        access.rotate(place.node.bootstrap, "unheard-of")


def test_a_broker_that_is_away_is_named() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    for ask in (access.list_, functools.partial(quotas.limits, user="x")):
        with pytest.raises(PublishError, match=nowhere):
            ask(nowhere)


def test_who_may_not_change_access_is_told_so(place: Place, tmp_path: Path) -> None:
    """A broker without access control lists can't give any."""
    node = KafkaNode(
        tmp_path / "open", free_port(), free_port(), properties={"authorizer.class.name": "", "super.users": ""}
    )
    node.start()
    node.wait_ready()
    with pytest.raises(AccessRefused, match=f"Kafka at {node.bootstrap} lets nobody"):
        access.grant(node.bootstrap, KALBAR, ["ikd.receipt.v1"])
    assert access.list_(node.bootstrap) == []
    node.stop()


# The folder


def test_a_folder_from_before_there_were_subscribers_still_starts(tmp_path: Path) -> None:
    port, controller = free_port(), free_port()
    before = KafkaNode(tmp_path / "kafka", port, controller)
    before.start()
    before.wait_ready()
    topics.apply(before.bootstrap)
    produce({"bootstrap.servers": before.bootstrap}, [ACTIVATION])
    before.stop()
    after = KafkaNode(tmp_path / "kafka", port, controller, subscriber_port=free_port())
    after.start()
    after.wait_ready()
    password = access.grant(after.bootstrap, KALBAR, [ACTIVATION])
    config = access.client_settings(after.subscriber_bootstrap, str(after.ca), KALBAR, password)
    assert read(config, [ACTIVATION]) == {ACTIVATION: OK}
    authority = after.ca.read_bytes()
    after.stop()
    after.start()
    after.wait_ready()
    assert after.ca.read_bytes() == authority
    assert read(config, [ACTIVATION]) == {ACTIVATION: OK}
    after.stop()


def test_keys_are_their_owners_alone(place: Place) -> None:
    modes = {each.name: each.stat().st_mode & 0o777 for each in place.node.ca.parent.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o600}


def test_damaged_certificates_are_named(tmp_path: Path) -> None:
    node = KafkaNode(tmp_path / "kafka", free_port(), free_port(), subscriber_port=free_port())
    folder = tmp_path / "kafka" / "tls"
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_text("nonsense")
    with pytest.raises(StackError, match="damaged") as caught:
        node.start()
    assert str(folder) in caught.value.what


def test_a_taken_subscribers_port_is_named(place: Place, tmp_path: Path) -> None:
    node = KafkaNode(tmp_path / "kafka", free_port(), free_port(), subscriber_port=place.node.subscriber_port)
    with pytest.raises(StackError, match=str(place.node.subscriber_port)):
        node.start()
