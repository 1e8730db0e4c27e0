"""Topics as the catalogue declares them, applied to a broker. Nothing else creates topics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from events import compatibility
from events.catalogue import TOPICS, Topic
from events.errors import ContractError
from events.kafka import asking

TIMEOUT = 20.0


class TopicMismatch(ContractError):
    """A topic on the broker can't be brought to what the catalogue says."""


@dataclass(frozen=True)
class Applied:
    """What was done to one topic: `created`, `changed` or `as declared`, and the details."""

    topic: str
    action: str
    detail: str = ""


def apply(
    bootstrap: str, *, replication: int = 1, dry_run: bool = False, declared: Iterable[Topic] = TOPICS.values()
) -> list[Applied]:
    """Create what is missing and set what differs. Safe to repeat.

    Raises IncompatibleSchema before anything is done, where the catalogue has a version that can't read an older one;
    PublishError where no broker answers; TopicMismatch where a topic has more partitions than declared (they can't be
    taken away, and a key's order would break).
    """
    compatibility.require_compatible()
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    with asking(bootstrap):
        present = {name: len(meta.partitions) for name, meta in admin.list_topics(timeout=TIMEOUT).topics.items()}
        return [_apply_one(admin, topic, present.get(topic.name), replication, dry_run) for topic in declared]


def _apply_one(admin: AdminClient, topic: Topic, partitions: int | None, replication: int, dry_run: bool) -> Applied:
    if partitions is None:
        if not dry_run:
            new = NewTopic(topic.name, topic.partitions, replication, config=topic.config)
            admin.create_topics([new])[topic.name].result(TIMEOUT)
        return Applied(topic.name, "created", f"{topic.partitions} partitions")
    if partitions > topic.partitions:
        raise TopicMismatch(
            f"{topic.name} has {partitions} partitions and the catalogue declares {topic.partitions}; "
            "partitions can't be taken away: raise the number in events/catalogue.py"
        )
    changes = _differences(admin, topic)
    if not dry_run:
        _change(admin, topic, partitions, changes)
    grown = [f"partitions {partitions} -> {topic.partitions}"] if partitions < topic.partitions else []
    detail = ", ".join(grown + [f"{key} {old} -> {new}" for key, (old, new) in changes.items()])
    return Applied(topic.name, "changed" if detail else "as declared", detail)


def _differences(admin: AdminClient, topic: Topic) -> dict[str, tuple[str, str]]:
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    present = admin.describe_configs([resource])[resource].result(TIMEOUT)
    values = {key: present[key].value for key in topic.config if key in present}
    return {key: (str(values.get(key)), want) for key, want in topic.config.items() if values.get(key) != want}


def _change(admin: AdminClient, topic: Topic, partitions: int, changes: dict[str, tuple[str, str]]) -> None:
    if partitions < topic.partitions:
        admin.create_partitions([NewPartitions(topic.name, topic.partitions)])[topic.name].result(TIMEOUT)
    if changes:
        entries = [
            ConfigEntry(key, want, incremental_operation=AlterConfigOpType.SET) for key, (_, want) in changes.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)
        admin.incremental_alter_configs([resource])[resource].result(TIMEOUT)
