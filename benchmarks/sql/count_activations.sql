-- The plain count of a dashboard over events: it takes no notice of who moved or lost their IKD again.
SELECT count() AS people
FROM activation_event
WHERE type = 'Activated' AND domicile BETWEEN %(low)s AND %(high)s AND occurred_at < toDateTime(%(end)s, 'Asia/Jakarta')
