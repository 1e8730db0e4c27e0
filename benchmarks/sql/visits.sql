-- The visits that activations name, as reported: four people for six hours.
INSERT INTO outreach_event
SELECT
    outreach_id AS event_id,
    'OutreachHeld' AS type,
    toDateTime64(any(toMonday(occurred_at, 'Asia/Jakarta')), 3, 'UTC') AS occurred_at,
    occurred_at + toIntervalDay(1) AS recorded_at,
    'synthetic/outreach' AS source,
    any(domicile) AS service_region,
    outreach_id,
    'jemput_bola' AS kind,
    '' AS place,
    NULL AS planned_for,
    4 AS team_size,
    6 AS hours,
    3 * count() AS reached,
    count() AS registered,
    count() AS activated,
    '' AS reason,
    '' AS medium
FROM activation_event AS e
WHERE e.outreach_id != toFixedString('', 16)
GROUP BY outreach_id
