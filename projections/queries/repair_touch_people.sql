-- Notes the people of events that are about to go.
INSERT INTO touched_person (run, subject_id)
SELECT %(run)s, subject_id FROM activation_event WHERE lower(hex(event_id)) IN %(hex)s
