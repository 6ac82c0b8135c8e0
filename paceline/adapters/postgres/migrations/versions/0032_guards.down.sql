DROP INDEX subscriptions_guarded;
DROP TABLE guard_trips;
DROP TABLE guard_days;
