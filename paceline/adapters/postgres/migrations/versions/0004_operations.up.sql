-- What runs and guards the house: instruments, risk, audit, and requests asked twice.

CREATE TABLE instruments (
    instrument_id text NOT NULL,
    valid_from    date NOT NULL,
    valid_to      date NOT NULL DEFAULT 'infinity',
    exchange      text NOT NULL,
    segment       text NOT NULL,
    kind          text NOT NULL,
    lot           numeric NOT NULL,
    tick          numeric NOT NULL,
    freeze_quantity numeric,
    lower_band    numeric,
    upper_band    numeric,
    multiplier    numeric NOT NULL DEFAULT 1,
    currency      text NOT NULL DEFAULT 'INR',
    underlying    text NOT NULL DEFAULT '',
    expiry        date,
    strike        numeric,
    PRIMARY KEY (instrument_id, valid_from)
);

CREATE TABLE instrument_ids (
    broker        text NOT NULL,
    native_id     text NOT NULL,
    valid_from    date NOT NULL,
    valid_to      date NOT NULL DEFAULT 'infinity',
    instrument_id text NOT NULL,
    PRIMARY KEY (broker, native_id, valid_from)
);
CREATE INDEX instrument_ids_by_instrument ON instrument_ids (instrument_id, broker);

CREATE TABLE risk_limits (
    account_id          text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    warning_percent     numeric NOT NULL DEFAULT 50,
    rearm_percent       numeric NOT NULL DEFAULT 55,
    liquidation_percent numeric NOT NULL DEFAULT 10,
    guards              jsonb NOT NULL DEFAULT '{}',
    targets             jsonb NOT NULL DEFAULT '[]',
    version             bigint NOT NULL DEFAULT 1,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CHECK (liquidation_percent < warning_percent AND warning_percent <= rearm_percent)
);

CREATE TABLE freezes (
    account_id           text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    frozen               boolean NOT NULL,
    level                text NOT NULL,
    reason               text NOT NULL,
    cause                text NOT NULL,
    version              bigint NOT NULL DEFAULT 1,
    acknowledged_version bigint NOT NULL DEFAULT 0,
    acknowledged_by      text NOT NULL DEFAULT '',
    changed_at           timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN freezes.acknowledged_version IS 'What the executor has in memory; risk reads no books before it is current.';
CREATE TRIGGER freezes_notify AFTER INSERT OR UPDATE OR DELETE ON freezes
    FOR EACH ROW EXECUTE FUNCTION paceline_notify('paceline_freezes', 'account_id');

CREATE TABLE liquidations (
    liquidation_id text PRIMARY KEY,
    account_id     text NOT NULL REFERENCES accounts,
    parent_id      text REFERENCES liquidations,
    state          text NOT NULL,
    cause          jsonb NOT NULL,
    version        bigint NOT NULL DEFAULT 1,
    started_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz
);
CREATE UNIQUE INDEX liquidations_running ON liquidations (account_id) WHERE finished_at IS NULL;
CREATE INDEX liquidations_by_parent ON liquidations (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE audit (
    audit_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    actor        text NOT NULL,
    action       text NOT NULL,
    subject_kind text NOT NULL,
    subject      text NOT NULL,
    cause        text NOT NULL DEFAULT '',
    details      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_by_subject ON audit (subject_kind, subject, audit_id);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION paceline_refuse_change();

CREATE TABLE requests (
    method      text NOT NULL,
    request_id  text NOT NULL,
    fingerprint bytea NOT NULL,
    response    bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (method, request_id)
);
CREATE INDEX requests_by_age ON requests USING brin (created_at);
