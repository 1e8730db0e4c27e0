"""What we know: ClickHouse tables, the event base and the buckets recomputed from it."""
