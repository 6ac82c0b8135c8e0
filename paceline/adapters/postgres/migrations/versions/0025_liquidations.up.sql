-- A liquidation is stored before it acts: whose, why, how far; and every step of it is kept.

DROP TABLE liquidations;

CREATE TABLE liquidations (
    liquidation_id  text PRIMARY KEY,
    account_id      text NOT NULL REFERENCES accounts,
    partition       smallint NOT NULL,
    subscription_id text,
    instrument_id   text,
    product         text,
    level           text NOT NULL CHECK (level IN ('STOP_ENTRIES', 'CANCEL_WORKING', 'FLATTEN')),
    cause           text NOT NULL,
    cause_id        text NOT NULL,
    reason          text NOT NULL,
    equity          numeric,
    currency        text NOT NULL,
    margin_level    numeric,
    prices          jsonb NOT NULL,
    state           text NOT NULL,
    steps           integer NOT NULL DEFAULT 0,
    started_at      timestamptz NOT NULL DEFAULT now(),
    changed_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    CHECK ((instrument_id IS NULL) = (product IS NULL) AND (instrument_id IS NULL OR subscription_id IS NOT NULL))
);
COMMENT ON COLUMN liquidations.subscription_id IS 'Whose copies are flattened; none is the whole account.';
CREATE UNIQUE INDEX liquidations_running ON liquidations
    (account_id, level, coalesce(subscription_id, ''), coalesce(instrument_id, ''), coalesce(product, ''))
    WHERE finished_at IS NULL;
CREATE INDEX liquidations_by_partition ON liquidations (partition) WHERE finished_at IS NULL;
CREATE INDEX liquidations_by_account ON liquidations (account_id, started_at);

CREATE TABLE liquidation_steps (
    liquidation_id text NOT NULL REFERENCES liquidations,
    number         integer NOT NULL,
    identity       text NOT NULL,
    state          text NOT NULL,
    detail         text NOT NULL,
    instrument_id  text,
    product        text,
    order_id       text NOT NULL DEFAULT '',
    remaining      numeric,
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (liquidation_id, number),
    UNIQUE (liquidation_id, identity)
);
CREATE TRIGGER liquidation_steps_append_only BEFORE UPDATE OR DELETE ON liquidation_steps
    FOR EACH STATEMENT EXECUTE FUNCTION paceline_refuse_change();
