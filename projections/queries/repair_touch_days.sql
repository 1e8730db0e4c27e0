-- The days of the people touched: their villages are summed again even where nothing of them is left. Rows of nobody.
INSERT INTO touched_day (run, village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
SELECT DISTINCT %(run)s, village, day, toFixedString('', 16), 0, 0, 0, 0, 0, 0
FROM person_day
WHERE subject_id IN (SELECT subject_id FROM touched_person WHERE run = %(run)s)
