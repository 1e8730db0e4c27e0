-- The regions, so that a query run by hand has names, and a roll-up finds the children of a region by key.
-- Loaded from the register in `events.regions` whenever migrations run.
CREATE TABLE region
(
    code UInt64,
    name String,
    level LowCardinality(String),
    parent Nullable(UInt64)
)
ENGINE = ReplacingMergeTree
ORDER BY code;
