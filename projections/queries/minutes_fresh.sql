-- Events of the nation, the provinces and the villages by minute and channel, from a moment up to another, as parts have
-- them that hold a block behind `seen` (-1: all parts): of a row written more than once the version that counts most, of
-- equal ones the last. A part is named all_LOWEST_HIGHEST_LEVEL by the blocks in it.
-- Regencies and districts are left out: they are the sums of their villages.
SELECT
    region,
    toUInt32(toUnixTimestamp(minute) / 60) AS number,
    channel,
    argMax((events, registered, activated, failed, deactivated), (version, block)) AS counts
FROM
(
    SELECT *, toInt64(splitByChar('_', _part)[3]) AS block
    FROM region_minute
    WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s
        AND minute >= toDateTime(%(begin)s, 'UTC') AND minute < toDateTime(%(end)s, 'UTC')
        AND (region < 100 OR region >= 1000000000)
)
GROUP BY region, minute, channel
SETTINGS max_threads = 1
