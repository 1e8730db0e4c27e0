ALTER TABLE activation_event DELETE WHERE subject_id IN (SELECT subject_id FROM erasing WHERE run = %(run)s)
SETTINGS mutations_sync = 2
