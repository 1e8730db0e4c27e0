-- Merges of more parts at once, and of each row fewer times: 3.0 times instead of 5.7 while a backlog is taken in, which
-- was a fifth of what ClickHouse does for an event. The price is that some 20 parts wait instead of 6.
ALTER TABLE activation_event MODIFY SETTING merge_selector_base = 16;
ALTER TABLE activity MODIFY SETTING merge_selector_base = 16;
-- A person is found in granules of 512 rows, and a whole compressed block is read for each: of 64 KiB, as it comes, eight
-- granules. 5,000 people among 66 million events: 0.14 s instead of 0.54.
ALTER TABLE activation_event MODIFY SETTING min_compress_block_size = 8192, max_compress_block_size = 8192;
