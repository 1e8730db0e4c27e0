"""What we know: ClickHouse tables, the event base and the buckets recomputed from it."""

import os

# Else the driver makes every day of four centuries when it is imported, a tenth of the time of a short command.
os.environ.setdefault("CLICKHOUSE_DRIVER_LASY_DATE_LUT", "1")
