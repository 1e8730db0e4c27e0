-- Whether there are rows of people that an earlier generation staged and this one does not know.
SELECT 1 AS found FROM person_stage WHERE version < bitShiftLeft(toUInt64(%(generation)s), 40) LIMIT 1
