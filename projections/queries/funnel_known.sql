-- Whether anybody ever entered in a range of villages.
SELECT 1 AS known FROM person_stage WHERE village BETWEEN %(low)s AND %(high)s LIMIT 1
