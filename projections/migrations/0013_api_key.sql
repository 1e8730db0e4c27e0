-- Keys of the API: who may ask below the public level, and of which region (0 is the nation). One row a change of a key;
-- the one with the highest number holds, whatever the clocks say. The secret is nowhere: see projections/keys.py.
CREATE TABLE api_key
(
    name String,
    secret_sha256 String,
    region UInt64,
    connections UInt32,
    created_at DateTime64(3, 'UTC'),
    expires_at DateTime64(3, 'UTC'),
    removed Bool,
    change UInt64
)
ENGINE = ReplacingMergeTree(change)
ORDER BY name;
