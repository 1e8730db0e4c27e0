ALTER TABLE person_day DELETE WHERE subject_id IN (SELECT subject_id FROM erasing WHERE run = %(run)s)
SETTINGS mutations_sync = 2
