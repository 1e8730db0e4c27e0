-- How far staging has come, so that one who stops before everybody is staged once is followed by one who goes on there.
-- `generation` counts how often all was staged anew: it stands above the number of events in a row's version, so a later
-- one's rows hold whatever was there, and nothing has to be emptied that another worker writes to. The state only grows:
-- (block, next, settled, staged_at). Block 0: people from the pseudonyms that begin with `next` on are still to be staged,
-- as of block `aim`. It takes the place of `staged`, which is read once and no more.
CREATE TABLE staging
(
    mark String,
    generation UInt64,
    aim SimpleAggregateFunction(min, UInt64),
    state SimpleAggregateFunction(max, Tuple(UInt64, UInt32, Int64, DateTime64(3, 'UTC')))
)
ENGINE = AggregatingMergeTree
ORDER BY (mark, generation);

INSERT INTO staging (mark, generation, aim, state)
SELECT mark, 0, s.block, (s.block, toUInt32(0), s.settled, s.staged_at) FROM staged AS s FINAL WHERE s.block > 0;
