-- How many events there are, by province.
SELECT intDiv(domicile, 100000000) AS province, count() AS events
FROM activation_event
GROUP BY province
ORDER BY province
