-- rebuilt
-- Days of regions stand by month. An open day's villages, districts and regions were in as many granules as there are, each
-- among all days of its region; now they are in those of the month. With a nation's two years stored, summing the
-- districts of 500 villages of today took 107 ms of CPU and takes 20.
DROP TABLE coverage_day;

CREATE TABLE coverage_day
(
    region UInt64,
    day Date,
    active_change Int64,
    activated UInt64,
    deactivated UInt64,
    moved_in UInt64,
    moved_out UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (toStartOfMonth(day), region, day)
SETTINGS
    index_granularity = 1024,
    enable_block_number_column = 1,
    enable_block_offset_column = 1,
    default_compression_codec = 'LZ4';
