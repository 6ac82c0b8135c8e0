-- What guards measure from, day by day, and what tripped.

CREATE TABLE guard_days (
    account_id      text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    subscription_id text NOT NULL DEFAULT '',
    trading_day     date NOT NULL,
    arming          bigint NOT NULL,
    kept            numeric NOT NULL,
    realised        numeric NOT NULL,
    profit          numeric NOT NULL,
    opened          numeric,
    peak            numeric,
    adjusted        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_id, subscription_id, trading_day)
) WITH (fillfactor = 80);
COMMENT ON TABLE guard_days IS 'One row for each trading day of an account or a subscription that has guards; the newest is what counts.';
COMMENT ON COLUMN guard_days.subscription_id IS 'Empty is the account itself.';
COMMENT ON COLUMN guard_days.opened IS 'Results are measured from here, and from the peak; none is taken at the next look.';

CREATE TABLE guard_trips (
    guard_trip_id   text PRIMARY KEY,
    account_id      text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    partition       smallint NOT NULL,
    subscription_id text,
    kind            text NOT NULL CHECK (kind IN
        ('DAILY_LOSS', 'DRAWDOWN', 'STOP_LOSS', 'TAKE_PROFIT', 'EXPOSURE', 'OPEN_POSITIONS')),
    level           text NOT NULL CHECK (level IN ('STOP_ENTRIES', 'CANCEL_WORKING', 'FLATTEN')),
    threshold       numeric NOT NULL,
    observed        numeric NOT NULL,
    evidence        jsonb NOT NULL,
    trading_day     date NOT NULL,
    tripped_at      timestamptz NOT NULL DEFAULT now(),
    rearmed_at      timestamptz
);
COMMENT ON COLUMN guard_trips.guard_trip_id IS 'Kind, subject and arming: the same trip is written once, whoever sees it.';
CREATE UNIQUE INDEX guard_trips_standing ON guard_trips (account_id, coalesce(subscription_id, ''), kind)
    WHERE rearmed_at IS NULL;
CREATE INDEX guard_trips_by_time ON guard_trips (tripped_at, guard_trip_id);
CREATE TRIGGER guard_trips_notify AFTER INSERT OR UPDATE ON guard_trips
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_accounts', 'account_id');

CREATE INDEX subscriptions_guarded ON subscriptions (follower)
    WHERE settings -> 'guards' ->> 'stop_loss' IS NOT NULL OR settings -> 'guards' ->> 'take_profit' IS NOT NULL;
