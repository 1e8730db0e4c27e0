-- What one person changes in one village on one day. Recomputed from all events of the person; the version is the
-- number of distinct events it was computed from, and the highest wins: sets only grow, so a stale reader loses.
-- There is a row for every village and every day that the person's events name, zeros too: keys never go away, so a
-- late event that moves a change to another day leaves no old row behind.
CREATE TABLE person_day
(
    village UInt64,
    day Date,
    subject_id FixedString(16),
    active_change Int16,
    activated UInt16,
    deactivated UInt16,
    moved_in UInt16,
    moved_out UInt16,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (village, day, subject_id)
SETTINGS index_granularity = 1024;

-- The rows of one run, on their way in: they say which days of which villages to sum again.
CREATE TABLE touched_day
(
    run UInt64,
    village UInt64,
    day Date,
    subject_id FixedString(16),
    active_change Int16,
    activated UInt16,
    deactivated UInt16,
    moved_in UInt16,
    moved_out UInt16,
    version UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (village, day);

CREATE MATERIALIZED VIEW touched_to_person_day TO person_day AS
SELECT * EXCEPT run FROM touched_day;

-- Coverage by region and day: how the number of people with an active IKD, domiciled there, changed on that day.
-- The number at the end of a day is the sum of active_change up to it. Villages are summed from person_day, each
-- level above from the level below. active_change = activated - deactivated + moved_in - moved_out.
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
ORDER BY (region, day)
SETTINGS index_granularity = 1024;
