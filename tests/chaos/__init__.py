"""Faults on the real Apache Kafka and the real ClickHouse engine, and a count of what they lost and doubled.

`python -m tests.chaos --kills 200 --seed 1`. Nothing here is shared with the code it judges but the contracts' codec,
with which events are written: what must come out is counted by a dictionary per person (`oracle`).
"""
