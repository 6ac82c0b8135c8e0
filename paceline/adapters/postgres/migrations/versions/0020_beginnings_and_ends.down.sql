DROP INDEX decisions_by_ending;
ALTER TABLE subscriptions DROP COLUMN waits_for;
-- An older release knows no ENDING: what was on its way to its end has ended.
UPDATE subscriptions SET state = 'ENDED', version = version + 1, change = nextval('subscription_changes')
WHERE state = 'ENDING';
