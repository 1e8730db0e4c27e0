-- The event base is kept by person: whoever looks for the events of a slice of the log needs to know whose they are, or
-- reads it all. The log's own copy stays as it was: ids of events, of nobody.
ALTER TABLE auditing_to_logged MODIFY QUERY
SELECT topic, region, day, event_id, partition, offset FROM auditing;

ALTER TABLE auditing ADD COLUMN subject_id FixedString(16) AFTER event_id;
