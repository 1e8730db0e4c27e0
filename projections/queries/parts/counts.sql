-- People with an active IKD at the end of a day by domicile, and what changed on each of the last days up to it, as days
-- since 1970. A region without a row is one that no event has named.
SELECT
    region,
    sumIf(active_change, day <= toDate32(%(as_of)s)) AS active,
    groupArrayIf((toUInt16(day), active_change), day BETWEEN toDate32(%(lately)s) AND toDate32(%(as_of)s)) AS lately
FROM coverage_day FINAL
