-- How far each person has come, from registration to use, by the day and the village in which they entered. A row for
-- every day and village in which the person registered or was activated, of which one `counts`: keys never go away, so
-- an earlier registration that comes late leaves no old row behind. The version is the number of distinct events that it
-- was computed from; sets only grow, so a stale reader loses.
-- By day first: a cohort is some weeks of any region, so a question reads those weeks, and in them a range of villages.
CREATE TABLE person_stage
(
    day Date,
    village UInt64,
    subject_id FixedString(16),
    counts Bool,
    entered_at DateTime64(3, 'UTC'),
    registered_at Nullable(DateTime64(3, 'UTC')),
    face_at Nullable(DateTime64(3, 'UTC')),
    qr_at Nullable(DateTime64(3, 'UTC')),
    activated_at Nullable(DateTime64(3, 'UTC')),
    used_at Nullable(DateTime64(3, 'UTC')),
    kept Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (day, village, subject_id)
SETTINGS index_granularity = 1024, enable_block_number_column = 1, enable_block_offset_column = 1;

-- Up to which block of the event base people were staged. `mark` says of which table, and since which time all was
-- staged anew; `settled` is how many erasures had been carried out. Block 0: the first time is not over yet.
CREATE TABLE staged
(
    mark String,
    block UInt64,
    settled Int64,
    staged_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(staged_at)
ORDER BY mark;

-- Events were taken out of the base: all is staged anew, since a smaller set has a lower version and would lose.
CREATE TABLE stage_again
(
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY at;
