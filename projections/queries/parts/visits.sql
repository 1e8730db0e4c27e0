-- Outreach reported as held, each activity once, as recorded last: of those that some report places in `reports`.
visits AS
(
    SELECT
        outreach_id,
        told.1 AS region,
        toDate(told.2, 'Asia/Jakarta') AS day,
        told.3 AS kind,
        told.4 * told.5 AS staff_hours,
        told.4 > 0 AND told.5 > 0 AS staffed,
        told.6 AS reached,
        told.7 AS activated
    FROM
    (
        SELECT
            outreach_id,
            argMax(
                (service_region, occurred_at, kind, team_size, hours, o.reached, o.activated),
                (recorded_at, event_id)) AS told
        FROM outreach_event AS o
        WHERE type = 'OutreachHeld' AND outreach_id IN (SELECT outreach_id FROM reports)
        GROUP BY outreach_id
    )
)
