-- Who trades: accounts, the apps they log in through, their sessions, and who follows whom.

CREATE TABLE broker_apps (
    app_id       text PRIMARY KEY,
    broker       text NOT NULL,
    client_key   text NOT NULL,
    redirect_url text NOT NULL DEFAULT '',
    display_name text NOT NULL DEFAULT '',
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (broker, client_key)
);
COMMENT ON COLUMN broker_apps.client_key IS 'The broker''s own name of the app.';

CREATE TABLE broker_app_secrets (
    app_id     text PRIMARY KEY REFERENCES broker_apps ON DELETE CASCADE,
    sealed     bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts (
    account_id   text PRIMARY KEY,
    partition    smallint NOT NULL CHECK (partition BETWEEN 0 AND 255),
    broker       text NOT NULL,
    client_id    text NOT NULL,
    type         text NOT NULL,
    state        text NOT NULL,
    segments     text[] NOT NULL,
    app_id       text REFERENCES broker_apps,
    egress       text NOT NULL DEFAULT '',
    display_name text NOT NULL DEFAULT '',
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (broker, client_id)
);
CREATE INDEX accounts_by_partition ON accounts (partition, account_id);
CREATE INDEX accounts_by_app ON accounts (app_id) WHERE app_id IS NOT NULL;

CREATE TABLE account_secrets (
    account_id text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    sealed     bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE account_secrets IS 'Sealed credentials, apart from what lists and logs may read.';

CREATE TABLE account_groups (
    group_id     text PRIMARY KEY,
    display_name text NOT NULL DEFAULT '',
    min_lots     numeric,
    max_lots     numeric,
    lot_step     numeric,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE account_group_members (
    group_id   text NOT NULL REFERENCES account_groups ON DELETE CASCADE,
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX account_group_members_by_account ON account_group_members (account_id);

CREATE TABLE account_limits (
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name       text NOT NULL,
    scope      text NOT NULL DEFAULT 'ACCOUNT',
    window_ms  bigint NOT NULL CHECK (window_ms > 0),
    capacity   integer NOT NULL CHECK (capacity > 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name)
);
COMMENT ON TABLE account_limits IS 'What differs from the broker''s usual request windows.';

CREATE TABLE sessions (
    session_id       text PRIMARY KEY,
    broker           text NOT NULL,
    broker_client_id text NOT NULL,
    state            text NOT NULL DEFAULT 'DISCONNECTED',
    reason           text NOT NULL DEFAULT '',
    sealed_token     bytea,
    sealed_refresh   bytea,
    sealed_blob      bytea,
    token_expires_at timestamptz,
    connected_since  timestamptz,
    last_frame_at    timestamptz,
    version          bigint NOT NULL DEFAULT 1,
    updated_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sessions.sealed_blob IS 'What this broker alone needs between calls.';

CREATE TABLE session_accounts (
    account_id text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    session_id text NOT NULL REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX session_accounts_by_session ON session_accounts (session_id);

-- Assigned under the lock that every write of subscriptions takes, so a reader
-- who has seen change n will never meet a smaller one later.
CREATE SEQUENCE subscription_changes;

CREATE TABLE subscriptions (
    subscription_id     text PRIMARY KEY,
    leader              text NOT NULL REFERENCES accounts,
    follower            text NOT NULL REFERENCES accounts,
    leader_partition    smallint NOT NULL,
    state               text NOT NULL,
    auto_copy           boolean NOT NULL,
    mode                text NOT NULL,
    sizing_mode         text NOT NULL,
    sizing_value        numeric NOT NULL,
    round_up_to_one_lot boolean NOT NULL,
    filters             jsonb NOT NULL,
    caps                jsonb NOT NULL,
    settings            jsonb NOT NULL,
    version             bigint NOT NULL DEFAULT 1,
    change              bigint NOT NULL DEFAULT nextval('subscription_changes'),
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CHECK (leader <> follower)
);
COMMENT ON COLUMN subscriptions.settings IS 'Style, reverse, forwarding and what else no query asks for.';
CREATE UNIQUE INDEX subscriptions_live_pair ON subscriptions (leader, follower) WHERE state <> 'ENDED';
CREATE INDEX subscriptions_by_follower ON subscriptions (follower);
CREATE INDEX subscriptions_by_partition ON subscriptions (leader_partition);
CREATE UNIQUE INDEX subscriptions_by_change ON subscriptions (change);

CREATE FUNCTION paceline_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- first argument: the channel; second: the column that names the row
    PERFORM pg_notify(TG_ARGV[0], CASE TG_OP
        WHEN 'DELETE' THEN to_jsonb(OLD) ->> TG_ARGV[1]
        ELSE to_jsonb(NEW) ->> TG_ARGV[1] END);
    RETURN NULL;
END $$;

CREATE TRIGGER accounts_notify AFTER INSERT OR UPDATE OR DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_accounts', 'account_id');
CREATE TRIGGER account_secrets_notify AFTER INSERT OR UPDATE OR DELETE ON account_secrets
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_accounts', 'account_id');
CREATE TRIGGER subscriptions_notify AFTER INSERT OR UPDATE OR DELETE ON subscriptions
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_subscriptions', 'subscription_id');
CREATE TRIGGER sessions_born_notify AFTER INSERT OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_sessions', 'session_id');
-- A frame a second is not news; a new state or token is.
CREATE TRIGGER sessions_notify AFTER UPDATE ON sessions
    FOR EACH ROW WHEN (OLD.version <> NEW.version)
    EXECUTE FUNCTION paceline_notify('paceline_sessions', 'session_id');
CREATE TRIGGER session_accounts_notify AFTER INSERT OR UPDATE OR DELETE ON session_accounts
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_sessions', 'session_id');
