-- People with events in blocks of the event base behind `seen`. A part is named all_LOWEST_HIGHEST_LEVEL by the blocks in
-- it, so most are left out unread; a row keeps the number of the block that it came in.
fresh AS
(
    SELECT subject_id
    FROM activation_event
    WHERE toInt64(splitByChar('_', _part)[3]) > %(seen)s AND _block_number > %(seen)s
        AND subject_id BETWEEN toFixedString(unhex(%(low)s), 16) AND toFixedString(unhex(%(high)s), 16)
)
