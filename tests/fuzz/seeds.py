"""Real records to mutate: every example, and what the scenario's offices send."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence

from cakupan.scenario import encoded, nation
from events import codec, jsonform
from events.catalogue import BY_SCHEMA_ID, examples

ARRIVED = 1_782_000_000_000  # 2026-06-21
PEOPLE = 2_000
LOOKED_AT = 5_000
MOST = 100  # of one schema: the heartbeats would be most of all


@functools.cache
def records() -> Mapping[int, Sequence[bytes]]:
    """Good records by schema id, of every version of every type."""
    found: dict[int, list[bytes]] = defaultdict(list)
    for schema_id, (event, version) in BY_SCHEMA_ID.items():
        for given in examples(event, version):
            values = jsonform.values_of_version(event, version, given, ARRIVED)
            found[schema_id].append(codec.encode(event.name, values, version))
    for planned in itertools.islice(nation(PEOPLE, 1), LOOKED_AT):
        _, _, raw = encoded(planned)
        same = found[int.from_bytes(raw[1 : codec.HEADER_BYTES], "big")]
        if len(same) < MOST:
            same.append(raw)
    return found


@functools.cache
def schemas_of(topic: str) -> Sequence[int]:
    return [schema_id for schema_id, (event, _) in BY_SCHEMA_ID.items() if event.topic == topic]
