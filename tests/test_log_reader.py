"""Reading the log once more: every record of a stretch once and in order, whatever holes the log has."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer

from cakupan.embedded.kafka import KafkaNode
from events.errors import PublishError
from streams.log_reader import LogReader
from tests.test_transport import new_topic

WAIT = 0.2


def filled(kafka: KafkaNode, records: int, partitions: int = 1) -> str:
    topic = new_topic(kafka.bootstrap, partitions)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(records):
        producer.produce(topic, str(number), partition=number % partitions)
    producer.flush()
    return topic


def numbers(messages: list[Any]) -> list[int]:
    return [int(each.value()) for each in messages]


@pytest.mark.parametrize(("first", "end"), [(0, 1000), (0, 1), (17, 640), (999, 1000), (5, 5), (9, 3)])
def test_a_stretch_is_read_once_and_in_order(kafka: KafkaNode, first: int, end: int) -> None:
    topic = filled(kafka, 1000)
    with LogReader(kafka.bootstrap, "test", WAIT) as reader:
        lists = list(reader.stretch((topic, 0), first, end, 100))
    assert all(0 < len(each) <= 100 for each in lists)
    assert [number for each in lists for number in numbers(each)] == list(range(first, end))


def test_a_stretch_ends_with_the_log(kafka: KafkaNode) -> None:
    topic = filled(kafka, 10)
    with LogReader(kafka.bootstrap, "test", WAIT) as reader:
        assert [number for each in reader.stretch((topic, 0), 4, 50, 100) for number in numbers(each)] == [
            4,
            5,
            6,
            7,
            8,
            9,
        ]


def test_one_stretch_after_the_other(kafka: KafkaNode) -> None:
    topic = filled(kafka, 900, partitions=3)
    with LogReader(kafka.bootstrap, "test", WAIT) as reader:
        again = [sorted(n for each in reader.whole(topic, 70) for n in numbers(each)) for _ in range(2)]
    assert again == [list(range(900))] * 2


def test_a_stretch_ends_where_the_log_does_though_its_last_offsets_hold_no_record(kafka: KafkaNode) -> None:
    topic = new_topic(kafka.bootstrap)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for number in range(4):
        producer.begin_transaction()
        producer.produce(topic, str(number))
        producer.flush()
        if number % 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()
    with LogReader(kafka.bootstrap, "test", WAIT) as reader:
        assert reader.bounds((topic, 0)) == (0, 8)
        assert [number for each in reader.stretch((topic, 0), 0, 8, 10) for number in numbers(each)] == [0, 2]


def test_a_stretch_that_the_log_does_not_hold_is_an_error(kafka: KafkaNode) -> None:
    topic = filled(kafka, 10)
    with LogReader(kafka.bootstrap, "test", WAIT) as reader, pytest.raises(PublishError, match="out of range"):
        list(reader.stretch((topic, 0), 50, 60, 10))
