-- A province's events in its own ClickHouse: a Kafka table that reads, a table that keeps, a view that carries over.
-- In a database of its own:   clickhouse-client --database cakupan --multiquery < clickhouse.sql
-- Put the values of client.properties in the places of 127.0.0.1:19094, dukcapil-kalbar, ********, and 61.
--
-- Take a ClickHouse whose librdkafka is 2.6.1 or newer: Apache Kafka 4 refuses the SCRAM of older ones.
--
-- The certificate authority is no setting of a table. It goes into the server's configuration, once (config.d/kafka.xml):
--   <clickhouse><kafka><ssl_ca_location>/etc/clickhouse-server/cakupan-ca.pem</ssl_ca_location></kafka></clickhouse>

-- What reads. A Kafka table can be read once: never SELECT from it, only through the view. Its columns are the fields of
-- all event types of the topic; what a type does not have stays at its default (input_format_avro_allow_missing_fields).
CREATE TABLE ikd_activation_queue
(
    event_id       FixedString(16),
    occurred_at    DateTime64(3, 'UTC'),
    recorded_at    DateTime64(3, 'UTC'),
    source         String,
    service_region Int64,
    domicile       Int64,
    subject_id     FixedString(16),
    age_band       String,
    sex            String,
    channel        String,
    device_class   String,
    outreach_id    Nullable(FixedString(16)),
    counterpart    Nullable(Int64),
    step           String,
    reason         String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = '127.0.0.1:19094',
    kafka_topic_list = 'ikd.p61.activation.v1',
    kafka_group_name = 'dukcapil-kalbar.clickhouse',      -- begins with your name and a dot, or the broker refuses it
    kafka_format = 'AvroConfluent',
    format_avro_schema_registry_url = 'http://127.0.0.1:8000',
    input_format_avro_allow_missing_fields = 1,
    kafka_security_protocol = 'sasl_ssl',
    kafka_sasl_mechanism = 'SCRAM-SHA-512',
    kafka_sasl_username = 'dukcapil-kalbar',
    kafka_sasl_password = '********',
    kafka_num_consumers = 1,                              -- 4 partitions: up to 4
    kafka_max_block_size = 65536,
    kafka_handle_error_mode = 'stream';                   -- what can't be read goes to ikd_activation_refused

-- What was read passes through here and is not kept. So all views hang on this table, and reading begins with the last
-- one below, when everything is in its place.
CREATE TABLE ikd_activation_feed
(
    event_id       FixedString(16),
    occurred_at    DateTime64(3, 'UTC'),
    recorded_at    DateTime64(3, 'UTC'),
    source         String,
    service_region Int64,
    domicile       Int64,
    subject_id     FixedString(16),
    age_band       String,
    sex            String,
    channel        String,
    device_class   String,
    outreach_id    Nullable(FixedString(16)),
    counterpart    Nullable(Int64),
    step           String,
    reason         String,
    type           String,
    region         String,
    arrived        String,
    topic          String,
    partition      UInt64,
    offset         UInt64,
    error          String
)
ENGINE = Null;

-- What keeps. A block is written before its place is committed, so after a crash some events come twice. The same
-- event_id is one row: with FINAL at once, else after the next merge. Of two with other particulars, the source's later
-- word holds.
CREATE TABLE ikd_activation
(
    event_id       FixedString(16),
    type           LowCardinality(String),                -- from the header ce_type: Avro's body does not hold it
    region         String,                                -- from ce_subject: the village, as 61.01.01.2001
    occurred_at    DateTime64(3, 'UTC'),
    recorded_at    DateTime64(3, 'UTC'),
    source         LowCardinality(String),
    service_region Int64,
    domicile       Int64,
    subject_id     FixedString(16),
    age_band       LowCardinality(String),
    sex            LowCardinality(String),
    channel        LowCardinality(String),
    device_class   LowCardinality(String),
    outreach_id    Nullable(FixedString(16)),
    counterpart    Nullable(Int64),
    step           LowCardinality(String),
    reason         LowCardinality(String),
    arrived        String,                                -- from cakupan_arrived: the hour that receipts count by
    topic          LowCardinality(String),
    partition      UInt64,
    offset         UInt64
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY event_id;

-- Every delivery, also those of one event: what receipts are compared with. By place, so the same place is one row.
CREATE TABLE ikd_delivery
(
    topic     LowCardinality(String),
    partition UInt64,
    offset    UInt64,
    event_id  FixedString(16),
    time      String,
    region    String
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset);

-- What could not be read, with its place and the reason. Empty, unless something is wrong: look at it.
CREATE TABLE ikd_activation_refused
(
    topic     LowCardinality(String),
    partition UInt64,
    offset    UInt64,
    reason    String,
    seen_at   DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset);

CREATE MATERIALIZED VIEW ikd_activation_keeper TO ikd_activation AS
SELECT * EXCEPT (error) FROM ikd_activation_feed WHERE empty(error);

CREATE MATERIALIZED VIEW ikd_delivery_keeper TO ikd_delivery AS
SELECT topic, partition, offset, event_id, arrived AS time, region FROM ikd_activation_feed WHERE empty(error);

CREATE MATERIALIZED VIEW ikd_activation_refused_keeper TO ikd_activation_refused AS
SELECT topic, partition, offset, error AS reason FROM ikd_activation_feed WHERE notEmpty(error);

-- From here on it reads.
CREATE MATERIALIZED VIEW ikd_activation_reader TO ikd_activation_feed AS
SELECT
    *,
    `_headers.value`[indexOf(`_headers.name`, 'ce_type')] AS type,
    `_headers.value`[indexOf(`_headers.name`, 'ce_subject')] AS region,
    `_headers.value`[indexOf(`_headers.name`, 'cakupan_arrived')] AS arrived,
    _topic AS topic,
    _partition AS partition,
    _offset AS offset,
    _error AS error
FROM ikd_activation_queue;

-- Erasure. Run it every day at least: the rows stay, so counts stay, and say no more whose they are. It takes in also
-- what came after the erasure, as long as the row of SubjectErased itself keeps the pseudonym; where that must go too,
-- delete it with the second statement once nothing of the person can come any more (30 days: what the topic keeps).
ALTER TABLE ikd_activation
    UPDATE subject_id = toFixedString('', 16)
    WHERE type != 'SubjectErased' AND subject_id IN (SELECT subject_id FROM ikd_activation WHERE type = 'SubjectErased')
    SETTINGS mutations_sync = 1;

ALTER TABLE ikd_activation
    UPDATE subject_id = toFixedString('', 16)
    WHERE type = 'SubjectErased' AND recorded_at < now() - INTERVAL 30 DAY
    SETTINGS mutations_sync = 1;

-- A question: activations by regency and day, each event once.
SELECT substring(region, 1, 5) AS regency, toDate(occurred_at, 'Asia/Jakarta') AS day, count() AS activations
FROM ikd_activation FINAL
WHERE type = 'Activated'
GROUP BY regency, day
ORDER BY day, regency;
