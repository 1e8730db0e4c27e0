-- An outsider is a person domiciled outside the regency where they were served (outside the province, for its office).
INSERT INTO service_day (region, day, events, registered, verified, activated, failed, outsiders_activated, version)
SELECT
    service_region,
    day,
    count(),
    countIf(type = 'ActivationRegistered'),
    countIf(type = 'QrVerified'),
    countIf(type = 'Activated'),
    countIf(type = 'AttemptFailed'),
    countIf(type = 'Activated' AND service_region != 0 AND NOT startsWith(toString(domicile), left(toString(service_region), 4))),
    count()
FROM activity FINAL
WHERE (day, service_region) IN (
    SELECT day, service_region FROM touched_place WHERE run = %(run)s)
GROUP BY service_region, day
