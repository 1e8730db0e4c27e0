-- Records that could not be taken in, one row a place in the log. A letter sent twice is the same row.
CREATE TABLE dead_letter
(
    topic LowCardinality(String),
    partition Int32,
    offset Int64,
    event_id FixedString(16),
    arrived_at DateTime64(3, 'UTC'),
    reason String,
    kind LowCardinality(String),
    type LowCardinality(String),
    source LowCardinality(String),
    size UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset);

-- What was decided about them; the last decision holds. A retried record stands at its sent place again: what is refused
-- there comes from the origin.
CREATE TABLE dead_letter_decision
(
    topic LowCardinality(String),
    partition Int32,
    offset Int64,
    event_id FixedString(16),
    recorded_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    decision LowCardinality(String),
    reason String,
    sent_partition Nullable(Int32),
    sent_offset Nullable(Int64),
    origin_partition Int32,
    origin_offset Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset, recorded_at, event_id);

-- Each letter with its last decision and where its bytes first stood.
CREATE OR REPLACE VIEW dead_letter_now AS
SELECT
    l.topic AS topic,
    l.partition AS partition,
    l.offset AS offset,
    l.event_id AS event_id,
    l.arrived_at AS arrived_at,
    l.reason AS reason,
    l.kind AS kind,
    l.type AS type,
    l.source AS source,
    l.size AS size,
    if(d.decided, tupleElement(d.last, 1), 'open') AS status,
    tupleElement(d.last, 2) AS decision_reason,
    tupleElement(d.last, 3) AS sent_partition,
    tupleElement(d.last, 4) AS sent_offset,
    tupleElement(d.last, 5) AS decided_at,
    if(s.sent, tupleElement(s.origin, 1), l.partition) AS origin_partition,
    if(s.sent, tupleElement(s.origin, 2), l.offset) AS origin_offset
FROM (SELECT * FROM dead_letter FINAL) AS l
LEFT JOIN
(
    SELECT
        topic,
        partition,
        offset,
        true AS decided,
        argMax((decision, reason, sent_partition, sent_offset, recorded_at), (recorded_at, event_id)) AS last
    FROM dead_letter_decision
    GROUP BY topic, partition, offset
) AS d ON l.topic = d.topic AND l.partition = d.partition AND l.offset = d.offset
LEFT JOIN
(
    SELECT
        topic,
        assumeNotNull(sent_partition) AS partition,
        assumeNotNull(sent_offset) AS offset,
        true AS sent,
        any((origin_partition, origin_offset)) AS origin
    FROM dead_letter_decision
    WHERE sent_offset IS NOT NULL
    GROUP BY topic, partition, offset
) AS s ON l.topic = s.topic AND l.partition = s.partition AND l.offset = s.offset;
