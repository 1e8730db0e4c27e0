-- People with an active IKD at the end of a day, by domicile. A region without a row is one that no event has named.
-- Before FINAL, which may be: the region is in the key, so of equal rows all are left or none. It takes half as long.
-- Reads by key, of some hundred rows: handing them out to threads costs more than it saves.
SELECT region, sumIf(active_change, day <= toDate32(%(as_of)s)) AS active
FROM coverage_day FINAL
PREWHERE region IN %(regions)s
GROUP BY region
SETTINGS max_threads = 1
