-- Figures as somebody printed them of a region, the latest first.
SELECT reported_on, printed, claim, basis, origin, source
FROM figure FINAL
WHERE region = %(region)s
ORDER BY reported_on DESC, event_id
