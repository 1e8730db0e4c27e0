-- People with a move in blocks of the event base behind `seen`, between two pseudonyms, one after the other in hexadecimal.
-- Who was erased may be among them, which does no harm: see parts/touched.
SELECT arrayStringConcat(groupArray(hex(subject_id))) AS people
FROM activation_event
WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
    AND subject_id BETWEEN toFixedString(unhex(%(low)s), 16) AND toFixedString(unhex(%(high)s), 16)
    AND type IN ('Activated', 'Deactivated', 'SubjectArrived', 'SubjectDeparted')
SETTINGS apply_patch_parts = 0, max_threads = 1
