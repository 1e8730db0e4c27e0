-- No question finds these rows from now on; erasure.destroy takes them off the disk.
DELETE FROM person_day
WHERE (day, village) IN (
-- include erased_places
    )
    AND subject_id IN (SELECT subject_id FROM erasing WHERE run = %(run)s)
SETTINGS lightweight_delete_mode = 'lightweight_update_force'
