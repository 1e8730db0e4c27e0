-- Whether a source that speaks is a generator: a row, or none.
SELECT 1 AS found FROM source_report WHERE startsWith(source, 'synthetic/') LIMIT 1
