-- Alerts of a region and of all within it, each with what it was raised for, who acknowledged it first, and why it was
-- cleared; the newest first. The levels within are ranges, see `ranges_within`. `kinds` and `states` are those wanted; `id`:
-- only the alert of this id, empty: all.
SELECT
    hex(a.alert_id) AS alert_id,
    any(a.region) AS region,
    any(a.kind) AS kind,
    any(a.subject) AS subject,
    multiIf(cleared_at > 0, 'cleared', acknowledged_at > 0, 'acknowledged', 'raised') AS state,
    toUnixTimestamp64Milli(minIf(a.occurred_at, a.type = 'AlertRaised')) AS raised_at,
    toUnixTimestamp64Milli(minIf(a.occurred_at, a.type = 'AlertAcknowledged')) AS acknowledged_at,
    toUnixTimestamp64Milli(minIf(a.occurred_at, a.type = 'AlertCleared')) AS cleared_at,
    toUnixTimestamp64Milli(argMinIf(a.since, a.occurred_at, a.type = 'AlertRaised')) AS since,
    argMinIf(a.measured, a.occurred_at, a.type = 'AlertRaised') AS measured,
    argMinIf(a.threshold, a.occurred_at, a.type = 'AlertRaised') AS threshold,
    argMinIf(a.reason, a.occurred_at, a.type = 'AlertRaised') AS reason,
    toString(argMinIf(a.acknowledged_by, a.occurred_at, a.type = 'AlertAcknowledged')) AS acknowledged_by,
    argMinIf(a.reason, a.occurred_at, a.type = 'AlertCleared') AS cleared_reason
FROM alert_event AS a FINAL
WHERE (a.region = %(region)s
        OR a.region BETWEEN %(low_2)s AND %(high_2)s
        OR a.region BETWEEN %(low_4)s AND %(high_4)s
        OR a.region BETWEEN %(low_6)s AND %(high_6)s
        OR a.region BETWEEN %(low_10)s AND %(high_10)s)
    AND (%(id)s = '' OR hex(a.alert_id) = %(id)s)
GROUP BY a.alert_id
HAVING raised_at > 0 AND kind IN %(kinds)s AND state IN %(states)s
ORDER BY raised_at DESC, alert_id
