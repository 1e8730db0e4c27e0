-- Rates are about now. Nobody keeps up minutes of more than ten days ago, and nobody reads them here.
ALTER TABLE rate_minute MODIFY TTL minute + INTERVAL 12 DAY;
