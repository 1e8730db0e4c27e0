-- How far staging has come. What was noted farther on holds.
INSERT INTO staging (mark, generation, aim, state)
SELECT
    %(mark)s,
    %(generation)s,
    %(aim)s,
    (toUInt64(%(block)s), toUInt32(%(next)s), toInt64(%(settled)s), now64(3, 'UTC'))
