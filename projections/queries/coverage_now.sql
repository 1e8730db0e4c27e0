-- People with an active IKD at the end of a day, in every region that events have named.
SELECT region, sumIf(active_change, day <= toDate32(%(as_of)s)) AS active
FROM coverage_day FINAL
GROUP BY region
SETTINGS max_threads = 1
