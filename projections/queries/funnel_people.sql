-- The people who entered in a range of villages from `first` to `last`, and how far they have come by `now`.
-- A later stage implies those before it: `decided` holds people whose face or code was never reported, too.
WITH
fromUnixTimestamp64Milli(toInt64(%(now_ms)s), 'UTC') AS now_at,
now_at - toIntervalDay(30) AS month_ago,
people AS
(
    SELECT
        entered_at,
        registered_at,
        if(isNull(face_at) OR isNull(qr_at), NULL, greatest(face_at, qr_at)) AS decided_at,
        activated_at,
        used_at,
        isNotNull(used_at) OR (isNotNull(activated_at) AND activated_at <= month_ago AND kept) AS confirmed,
        isNotNull(activated_at) OR confirmed AS implemented,
        isNotNull(decided_at) OR implemented AS decided,
        dateDiff('millisecond', entered_at, now_at) / 86400000 AS waited
    FROM person_stage FINAL
    WHERE day BETWEEN %(first)s AND %(last)s AND village BETWEEN %(low)s AND %(high)s AND counts
)
SELECT
    count() AS persuaded,
    countIf(isNotNull(registered_at)) AS registered,
    countIf(p.decided) AS decided,
    countIf(isNotNull(decided_at)) AS verified,
    countIf(p.implemented) AS implemented,
    countIf(isNotNull(activated_at)) AS activated,
    countIf(p.confirmed) AS confirmed,
    countIf(isNotNull(used_at)) AS used,
    countIf(NOT p.confirmed AND isNotNull(activated_at) AND activated_at > month_ago) AS undecided,
    -- Reached a stage more than 30 days ago, and of these, who is still there.
    countIf(entered_at <= month_ago) AS persuaded_before,
    countIf(entered_at <= month_ago AND NOT p.decided) AS persuaded_left,
    countIf(decided_at <= month_ago) AS decided_before,
    countIf(decided_at <= month_ago AND NOT p.implemented) AS decided_left,
    countIf(activated_at <= month_ago) AS implemented_before,
    countIf(activated_at <= month_ago AND NOT p.confirmed) AS implemented_left,
    -- Milliseconds from one stage to the next, of those of whom both are known and in order.
    countIf(decided_at >= registered_at) AS to_decision,
    countIf(decided_at < registered_at) AS to_decision_reversed,
    quantilesExactInclusiveIf(0.25, 0.5, 0.75)(
        dateDiff('millisecond', assumeNotNull(registered_at), assumeNotNull(decided_at)),
        ifNull(decided_at >= registered_at, 0)) AS to_decision_ms,
    countIf(activated_at >= decided_at) AS to_implementation,
    countIf(activated_at < decided_at) AS to_implementation_reversed,
    quantilesExactInclusiveIf(0.25, 0.5, 0.75)(
        dateDiff('millisecond', assumeNotNull(decided_at), assumeNotNull(activated_at)),
        ifNull(activated_at >= decided_at, 0)) AS to_implementation_ms,
    countIf(used_at >= activated_at) AS to_confirmation,
    countIf(used_at < activated_at) AS to_confirmation_reversed,
    quantilesExactInclusiveIf(0.25, 0.5, 0.75)(
        dateDiff('millisecond', assumeNotNull(activated_at), assumeNotNull(used_at)),
        ifNull(used_at >= activated_at, 0)) AS to_confirmation_ms,
    -- Registered and not yet active, by days of waiting.
    arrayMap(
        n -> toUInt64(n),
        [
            countIf(NOT p.implemented AND waited < 1),
            countIf(NOT p.implemented AND waited >= 1 AND waited < 3),
            countIf(NOT p.implemented AND waited >= 3 AND waited < 7),
            countIf(NOT p.implemented AND waited >= 7 AND waited < 30),
            countIf(NOT p.implemented AND waited >= 30)
        ]) AS waiting
FROM people AS p
