"""What a province subscribes to: topics of its own, and the one that is for everybody.

A province's events are kept for 30 days, which is set here (RETENTION_MS): whoever was away longer begins again, by
having its topics made anew. Answers and receipts are kept by key for good; a value that a later one has taken the place
of stays for a week at least, so that an hour can be fetched again and compared with its receipt.
"""

from __future__ import annotations

from events import regions
from events.catalogue import ACTIVATION, COVERAGE, OUTREACH, RECEIPT, TOPICS, Topic
from events.errors import UnknownRegion

RETENTION_MS = 30 * 86_400_000

# Counts by regency and hour. The answers of all regions are not for everybody: they go down to villages, which need a
# scope; a province has those of its own regions in a topic of its own.
PUBLIC = (RECEIPT,)

# Stamped by the broker: kept 30 days from when it was passed on, however old it was then. When an event had arrived at
# the source stands in a header.
KEEP_30_DAYS = {
    "retention.ms": str(RETENTION_MS),
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": "1048576",
}


def topics_of(province: int) -> tuple[Topic, ...]:
    """Topics of one province (its code as a number, 61): activation, outreach, coverage, receipt.

    As many partitions as the topic that they come from, so that the order by key stays. Raises UnknownRegion.
    """
    if regions.region(province).level != "province":
        raise UnknownRegion(f"{regions.format_code(province)} is no province; a province has two digits, like 61")
    named = f"province {regions.format_code(province)}, {regions.region(province).name}"
    return (
        _like(ACTIVATION, province, f"Events of people of {named}, as they were sent.", KEEP_30_DAYS),
        _like(OUTREACH, province, f"Outreach in {named}, as it was sent.", KEEP_30_DAYS),
        _like(COVERAGE, province, f"Answers of {named}, whenever one changed.", TOPICS[COVERAGE].config),
        _like(RECEIPT, province, f"Receipts for the topics of {named}.", TOPICS[RECEIPT].config),
    )


def name_of(topic: str, province: int) -> str:
    """A province's topic for one of all: `ikd.activation.v1`, 61 -> `ikd.p61.activation.v1`."""
    return topic.replace("ikd.", f"ikd.p{province:02d}.", 1)


def _like(topic: str, province: int, doc: str, config: dict[str, str]) -> Topic:
    source = TOPICS[topic]
    return Topic(name_of(topic, province), source.partitions, source.key, doc, config)
