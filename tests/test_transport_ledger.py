"""The ledger alone: what may be committed, whatever the order of acknowledgements."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import Delivery, Ledger, Partition

HERE, THERE = Partition("events", 0), Partition("events", 1)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def started(*partitions: Partition, clock: Clock | None = None) -> Ledger:
    ledger = Ledger(clock=clock or Clock())
    ledger.start(dict.fromkeys(partitions, (0, None)))
    return ledger


def deliver(ledger: Ledger, first: int, last: int, partition: Partition = HERE) -> Delivery:
    delivery = ledger.deliver(partition, first, last, count=last - first + 1, memory=10, high_watermark=100)
    assert delivery is not None
    return delivery


def test_acknowledged_out_of_order_commits_in_order() -> None:
    ledger = started(HERE)
    first, second, third = deliver(ledger, 0, 4), deliver(ledger, 5, 9), deliver(ledger, 10, 14)
    ledger.acknowledge(third)
    ledger.acknowledge(second)
    assert ledger.committable() == {}
    ledger.acknowledge(first)
    assert ledger.committable() == {HERE: 15}


def test_partitions_do_not_wait_for_each_other() -> None:
    ledger = started(HERE, THERE)
    deliver(ledger, 0, 4)
    ledger.acknowledge(deliver(ledger, 0, 9, THERE))
    assert ledger.committable() == {THERE: 10}


def test_a_revoked_batch_is_never_committed_and_frees_its_memory() -> None:
    ledger = started(HERE)
    delivery = deliver(ledger, 0, 4)
    assert ledger.memory == 10
    ledger.drop([HERE])
    assert ledger.memory == 0
    assert not ledger.acknowledge(delivery)
    assert (ledger.committable(), ledger.ignored_acks, ledger.memory) == ({}, 1, 0)


def test_an_acknowledgement_from_before_a_seek_does_not_count_after_it() -> None:
    ledger = started(HERE)
    delivery = deliver(ledger, 0, 4)
    ledger.start({HERE: (0, None)})
    again = deliver(ledger, 0, 4)
    assert not ledger.acknowledge(delivery)
    assert ledger.committable() == {}
    assert ledger.acknowledge(again)
    assert ledger.committable() == {HERE: 5}


def test_a_batch_acknowledged_twice_counts_once() -> None:
    ledger = started(HERE)
    delivery = deliver(ledger, 0, 4)
    assert ledger.acknowledge(delivery)
    assert not ledger.acknowledge(delivery)
    assert ledger.memory == 0


def test_a_commit_that_ends_after_a_revocation_is_not_noted() -> None:
    ledger = started(HERE)
    ledger.acknowledge(deliver(ledger, 0, 4))
    offsets = ledger.committable()
    ledger.start({HERE: (2, 2)})
    ledger.committed(offsets)
    assert ledger.progress()[0].committed == 2


def test_what_is_not_ours_is_not_handed_out() -> None:
    assert started(HERE).deliver(THERE, 0, 4, count=5, memory=1) is None


def test_offsets_without_records_go_with_the_batch_before_them() -> None:
    ledger = started(HERE)
    delivery = deliver(ledger, 0, 4)
    ledger.reached({HERE: 7})
    assert ledger.committable() == {}
    ledger.acknowledge(delivery)
    assert ledger.committable() == {HERE: 7}
    ledger.reached({HERE: 9, THERE: 3})
    assert ledger.committable() == {HERE: 9}
    deliver(ledger, 9, 10)
    assert ledger.gaps == 0


def test_gaps_are_counted_and_reported() -> None:
    heard: list[tuple[Partition, int, int]] = []
    ledger = Ledger(lambda *gap: heard.append(gap))
    ledger.start({HERE: (3, 3)})
    deliver(ledger, 3, 4)
    deliver(ledger, 6, 9)
    ledger.deliver(HERE, 10, 19, count=8, memory=1)
    assert heard == [(HERE, 5, 6), (HERE, 18, 20)]
    assert ledger.progress()[0].gaps == 2


def test_progress_shows_what_waits_and_for_how_long() -> None:
    clock = Clock()
    ledger = started(HERE, clock=clock)
    delivery = deliver(ledger, 0, 49)
    clock.now += 7
    assert ledger.progress()[0].unacknowledged_for == 7
    ledger.acknowledge(delivery)
    clock.now += 5
    stuck = ledger.progress()[0]
    assert (stuck.acknowledged, stuck.committed, stuck.uncommitted_for) == (50, None, 5)
    assert (stuck.lag, stuck.starved_for) == (50, 12)
    ledger.committed(ledger.committable())
    assert (ledger.progress()[0].uncommitted_for, ledger.progress()[0].committed) == (0, 50)
    ledger.acknowledge(deliver(ledger, 50, 99))
    assert (ledger.progress()[0].lag, ledger.progress()[0].starved_for) == (0, 0)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=12), data=st.data())
def test_committed_is_always_the_longest_acknowledged_run(sizes: list[int], data: st.DataObject) -> None:
    ledger = started(HERE)
    deliveries, ends, start = [], [], 0
    for size in sizes:
        deliveries.append(deliver(ledger, start, start + size - 1))
        start += size
        ends.append(start)
    done: set[int] = set()
    committed = 0
    for index in data.draw(st.permutations(range(len(sizes)))):
        ledger.acknowledge(deliveries[index])
        done.add(index)
        run = next((n for n in range(len(sizes)) if n not in done), len(sizes))
        end = ends[run - 1] if run else 0
        assert ledger.committable() == ({HERE: end} if end > committed else {})
        if data.draw(st.booleans()):
            ledger.committed(ledger.committable())
            committed = end
        assert ledger.memory == 10 * (len(sizes) - len(done))
    ledger.committed(ledger.committable())
    assert ledger.progress()[0].committed == ends[-1]
