-- Rows of people that an earlier generation staged and this one does not know.
DELETE FROM person_stage WHERE version < bitShiftLeft(toUInt64(%(generation)s), 40)
