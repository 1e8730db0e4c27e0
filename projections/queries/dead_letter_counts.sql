SELECT topic, status, count() AS letters FROM dead_letter_now GROUP BY topic, status ORDER BY topic, status
