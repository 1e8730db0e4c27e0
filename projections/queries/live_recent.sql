-- Events of a range of regions of one level, from a moment up to another (whole minutes of the last eight days), by
-- channel. A read by key: all regions directly below one have neighbouring codes.
SELECT
    region,
    channel,
    sum(r.events) AS events,
    sum(r.registered) AS registered,
    sum(r.activated) AS activated,
    sum(r.failed) AS failed,
    sum(r.deactivated) AS deactivated
FROM region_minute AS r FINAL
WHERE region BETWEEN %(first)s AND %(last)s
    AND minute >= toDateTime(%(begin)s, 'UTC') AND minute < toDateTime(%(end)s, 'UTC')
GROUP BY region, channel
ORDER BY region, channel
