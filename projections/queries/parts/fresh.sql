-- People with events in blocks of the event base behind `seen`. A part is named all_LOWEST_HIGHEST_LEVEL by the blocks in
-- it, so most are left out unread; a row keeps the number of the block that it came in.
-- Who was erased is left out by name: the statement has no patches applied, as recompute_person_day, of which it would take
-- nearly three times as much.
fresh AS
(
    SELECT subject_id
    FROM activation_event
    WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
        AND subject_id BETWEEN toFixedString(unhex(%(low)s), 16) AND toFixedString(unhex(%(high)s), 16)
        AND sipHash128Keyed((SELECT (any(k0), any(k1)) FROM erasure_key), subject_id) NOT IN (SELECT subject_hash FROM erased)
)
