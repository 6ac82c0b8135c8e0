DROP INDEX trades_by_subscription;
DROP INDEX trades_by_time;
