-- Whether an event comes from a generator: a row, or none. Reads one narrow column; stops at the first.
SELECT 1 AS found FROM activation_event WHERE startsWith(source, 'synthetic/') LIMIT 1
