-- What those people change, as `recompute_person_day` finds it: a sample is compared with it.
INSERT INTO person_day
    (village, day, subject_id, active_change, activated, deactivated, moved_in, moved_out, version)
WITH
    arrayConcat(
        [(village, day, 1, 1, 0, 0, 0)],
        if(kind = 'ends', [(village, later, -1, 0, 1, 0, 0)], []),
        if(kind = 'moves',
            [(village, later, -1, 0, 0, 0, 1), (other, day, 0, 0, 0, 0, 0), (other, later, 1, 0, 0, 1, 0)], []))
        AS changes
SELECT
    change.1, change.2, subject_id, change.3, change.4, change.5, change.6, change.7,
    multiIf(kind = 'ends', 2, kind = 'moves', 3, 1)
FROM people.life(first = %(first)s, days = %(days)s, slice = %(slice)s, slices = %(slices)s)
ARRAY JOIN changes AS change
