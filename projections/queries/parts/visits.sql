-- Outreach reported as held, each activity once, as recorded last: of those that some report places in `reports`. Few are
-- reported again, so only of these, `again`, a report is chosen.
visits AS
(
    SELECT
        outreach_id,
        service_region AS region,
        toDate(occurred_at, 'Asia/Jakarta') AS day,
        kind,
        team_size * hours AS staff_hours,
        team_size > 0 AND hours > 0 AS staffed,
        r.reached AS reached,
        r.activated AS activated
    FROM reports AS r
    WHERE type = 'OutreachHeld' AND outreach_id NOT IN (SELECT outreach_id FROM again)
    UNION ALL
    SELECT
        outreach_id,
        told.1,
        toDate(told.2, 'Asia/Jakarta'),
        told.3,
        told.4 * told.5,
        told.4 > 0 AND told.5 > 0,
        told.6,
        told.7
    FROM
    (
        SELECT
            outreach_id,
            argMax(
                (service_region, occurred_at, kind, team_size, hours, o.reached, o.activated),
                (recorded_at, event_id)) AS told
        FROM outreach_event AS o
        WHERE type = 'OutreachHeld'
            AND outreach_id IN (SELECT outreach_id FROM again)
            AND outreach_id IN (SELECT outreach_id FROM reports)
        GROUP BY outreach_id
    )
)
