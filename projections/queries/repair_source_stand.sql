-- When sources spoke, from all reports that are there. What comes in meanwhile comes in by the view as well.
INSERT INTO source_stand (region, source, first_at, reported_at, complete_until)
SELECT region, source, min(r.occurred_at), max(r.occurred_at), max(r.complete_until)
FROM source_report AS r
GROUP BY region, source
