-- How every account stands against its lines; what people are told, to whom it goes, and whether it arrived.

CREATE TABLE risk_states (
    account_id text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    partition  smallint NOT NULL,
    state      text NOT NULL CHECK (state IN ('CALM', 'WARNED', 'LIQUIDATING')),
    turn       bigint NOT NULL,
    cause      jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN risk_states.turn IS 'Counts its changes: what follows from one is named by it, once.';

CREATE TRIGGER risk_limits_notify AFTER INSERT OR UPDATE OR DELETE ON risk_limits
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_accounts', 'account_id');

CREATE TABLE liquidation_requests (
    liquidation_id  text PRIMARY KEY,
    account_id      text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    partition       smallint NOT NULL,
    subscription_id text,
    cause           text NOT NULL CHECK (cause IN ('MARGIN', 'CASCADE', 'GUARD', 'KILL_SWITCH', 'MANUAL')),
    cause_id        text NOT NULL,
    reason          text NOT NULL,
    evidence        jsonb NOT NULL,
    level           text NOT NULL DEFAULT 'FLATTEN' CHECK (level IN ('CANCEL_WORKING', 'FLATTEN')),
    requested_at    timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    ended_at        timestamptz
);
COMMENT ON TABLE liquidation_requests IS 'What risk decided and the executor carries out; asked for until it is acknowledged.';
COMMENT ON COLUMN liquidation_requests.subscription_id IS 'Whose copies are flattened; none is the whole account.';
CREATE UNIQUE INDEX liquidation_requests_running ON liquidation_requests
    (account_id, coalesce(subscription_id, ''), level) WHERE ended_at IS NULL;
CREATE INDEX liquidation_requests_open ON liquidation_requests (partition) WHERE acknowledged_at IS NULL;

CREATE TABLE alert_targets (
    target_id    text PRIMARY KEY,
    account_id   text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    display_name text NOT NULL DEFAULT '',
    url          bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN alert_targets.url IS 'Sealed: such a URL holds passwords and tokens.';
CREATE INDEX alert_targets_by_account ON alert_targets (account_id, target_id);

CREATE TABLE alerts (
    alert_id   text PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    partition  smallint NOT NULL,
    kind       text NOT NULL,
    facts      jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN alerts.alert_id IS 'Named by its cause: the same thing is told once.';
CREATE INDEX alerts_by_account ON alerts (account_id, created_at);

CREATE TABLE alert_deliveries (
    alert_id  text NOT NULL REFERENCES alerts ON DELETE CASCADE,
    target_id text NOT NULL REFERENCES alert_targets ON DELETE CASCADE,
    partition smallint NOT NULL,
    state     text NOT NULL DEFAULT 'DUE' CHECK (state IN ('DUE', 'SENT', 'GIVEN_UP')),
    attempts  integer NOT NULL DEFAULT 0,
    due_at    timestamptz NOT NULL DEFAULT now(),
    ended_at  timestamptz,
    problem   text NOT NULL DEFAULT '',
    PRIMARY KEY (alert_id, target_id)
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (partition, due_at) WHERE state = 'DUE';

CREATE FUNCTION paceline_alert(id text, account text, what text, particulars jsonb) RETURNS boolean
LANGUAGE sql AS $$
    WITH fresh AS (
        INSERT INTO alerts (alert_id, account_id, partition, kind, facts)
        SELECT id, a.account_id, a.partition, what, particulars FROM accounts a WHERE a.account_id = account
        ON CONFLICT DO NOTHING RETURNING alert_id, account_id, partition
    ), sent AS (
        INSERT INTO alert_deliveries (alert_id, target_id, partition)
        SELECT f.alert_id, t.target_id, f.partition FROM fresh f
        JOIN alert_targets t ON t.account_id = f.account_id
    )
    SELECT EXISTS (SELECT FROM fresh)
$$;
COMMENT ON FUNCTION paceline_alert IS 'Lays an alert out for everyone who wants it, in the transaction of its cause; whether it is new.';

CREATE FUNCTION paceline_login_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM paceline_alert(
        'LOGIN_NEEDED:' || account_id || ':' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24'),
        account_id, 'LOGIN_NEEDED', jsonb_build_object('reason', NEW.reason))
    FROM session_accounts WHERE session_id = NEW.session_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION paceline_login_alert IS 'At most one an hour: a session may go to and fro.';
CREATE TRIGGER sessions_login_alert AFTER UPDATE ON sessions
    FOR EACH ROW WHEN (NEW.state = 'LOGIN_NEEDED' AND OLD.state <> 'LOGIN_NEEDED')
    EXECUTE FUNCTION paceline_login_alert();

CREATE FUNCTION paceline_liquidation_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE liquidation_requests SET ended_at = now(), acknowledged_at = coalesce(acknowledged_at, now())
    WHERE liquidation_id = NEW.liquidation_id AND ended_at IS NULL;
    IF FOUND THEN
        PERFORM paceline_alert('LIQUIDATION_ENDED:' || NEW.liquidation_id, NEW.account_id, 'LIQUIDATION_ENDED',
            jsonb_build_object('liquidation', NEW.liquidation_id));
        PERFORM pg_notify('paceline_accounts', NEW.account_id);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION paceline_liquidation_ended IS 'What the executor has done is known to risk in the same transaction.';
CREATE TRIGGER liquidations_ended AFTER UPDATE ON liquidations
    FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL)
    EXECUTE FUNCTION paceline_liquidation_ended();
