-- How far the answers have come in the log, and how far they were recounted and found right. By one thread: of so little,
-- to share it out takes a third of the time, and an API asks several times a second.
SELECT
    'taken' AS kind,
    p.topic AS topic,
    p.partition AS partition,
    max(p.position) AS next,
    argMax(p.head, p.checked_at) AS head,
    argMax(p.position, p.checked_at) >= argMax(p.head, p.checked_at) AS caught_up,
    argMax(p.record_at, p.checked_at) AS record_at,
    max(p.checked_at) AS checked_at
FROM position AS p
GROUP BY p.topic, p.partition
UNION ALL
SELECT
    'verified',
    v.topic,
    v.partition,
    argMax(v.position, v.verified_at),
    0,
    true,
    max(v.verified_at),
    max(v.verified_at)
FROM verified AS v
GROUP BY v.topic, v.partition
SETTINGS max_threads = 1
