-- What was decided and what became of it: decisions, copy orders, their fills, ledgers, trades.

CREATE TABLE plans (
    event_identity text PRIMARY KEY,
    partition      smallint NOT NULL,
    event_offset   bigint NOT NULL,
    leader         text NOT NULL,
    planned        integer NOT NULL DEFAULT 0,
    skipped        integer NOT NULL DEFAULT 0,
    complete       boolean NOT NULL DEFAULT false,
    started_at     timestamptz NOT NULL DEFAULT now(),
    completed_at   timestamptz
);
CREATE INDEX plans_by_offset ON plans (partition, event_offset);
CREATE INDEX plans_by_leader ON plans (leader, started_at);

CREATE TABLE decisions (
    decision_id            text PRIMARY KEY,
    event_identity         text NOT NULL,
    subscription_id        text NOT NULL,
    follower               text NOT NULL,
    instrument_id          text NOT NULL,
    product                text NOT NULL,
    side                   smallint NOT NULL,
    intent                 text NOT NULL,
    outcome                text NOT NULL,
    quantity               numeric NOT NULL,
    reason                 text,
    detail                 text NOT NULL DEFAULT '',
    sizing_mode            text,
    sizing_value           numeric,
    ratio                  numeric,
    unrounded              numeric,
    leader_equity          numeric,
    leader_equity_age_ms   bigint,
    follower_equity        numeric,
    follower_equity_age_ms bigint,
    decided_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event_identity, subscription_id)
);
CREATE INDEX decisions_by_subscription ON decisions (subscription_id, decided_at);

CREATE TABLE copy_orders (
    copy_order_id   text PRIMARY KEY,
    decision_id     text NOT NULL,
    cause_kind      text NOT NULL,
    cause_identity  text NOT NULL,
    subscription_id text,
    account_id      text NOT NULL,
    partition       smallint NOT NULL,
    instrument_id   text NOT NULL,
    product         text NOT NULL,
    side            smallint NOT NULL,
    order_type      text NOT NULL,
    quantity        numeric NOT NULL,
    limit_price     numeric NOT NULL,
    trigger_price   numeric NOT NULL,
    validity        text NOT NULL,
    disclosed       numeric NOT NULL,
    offline         boolean NOT NULL,
    intent          text NOT NULL,
    lane            smallint NOT NULL,
    leg             integer NOT NULL,
    slice           integer NOT NULL,
    step            integer NOT NULL,
    tag             text NOT NULL UNIQUE CHECK (length(tag) BETWEEN 1 AND 20),
    leader_price    numeric NOT NULL,
    leader_time_ns  bigint NOT NULL,
    seen_ns         bigint NOT NULL,
    planned_ns      bigint NOT NULL,
    sent_ns         bigint NOT NULL DEFAULT 0,
    accepted_ns     bigint NOT NULL DEFAULT 0,
    filled_ns       bigint NOT NULL DEFAULT 0,
    expires_ns      bigint NOT NULL,
    written_ns      bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint,
    status          text NOT NULL CHECK (status IN ('PLANNED', 'WORKING', 'PARTIAL', 'FILLED', 'CANCELLED',
                                                    'EXPIRED', 'REJECTED', 'UNKNOWN', 'SKIPPED', 'FAILED')),
    attempts        integer NOT NULL DEFAULT 0,
    error_code      text NOT NULL DEFAULT '',
    error_text      text NOT NULL DEFAULT '',
    broker_order_id text,
    filled          numeric NOT NULL DEFAULT 0,
    average_price   numeric NOT NULL DEFAULT 0,
    slippage_bps    numeric,
    slippage_money  numeric,
    traceparent     text NOT NULL DEFAULT '',
    version         bigint NOT NULL DEFAULT 1,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (cause_kind, cause_identity, subscription_id, account_id, leg, slice, step)
) WITH (fillfactor = 80);
COMMENT ON COLUMN copy_orders.written_ns IS 'By the database''s clock, like the start of a lease: what a take-over compares.';
CREATE INDEX copy_orders_open ON copy_orders (partition, written_ns)
    WHERE status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL');
CREATE INDEX copy_orders_by_account ON copy_orders (account_id, planned_ns, copy_order_id);

CREATE TABLE fills (
    tag             text NOT NULL,
    trade_id        text NOT NULL,
    copy_order_id   text NOT NULL,
    account_id      text NOT NULL,
    event_identity  text NOT NULL UNIQUE,
    quantity        numeric NOT NULL,
    price           numeric NOT NULL,
    broker_time_ns  bigint NOT NULL,
    slippage_bps    numeric,
    slippage_money  numeric,
    fees            jsonb NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tag, trade_id)
);
CREATE INDEX fills_by_copy_order ON fills (copy_order_id);

CREATE TABLE ledger_entries (
    subscription_id text NOT NULL,
    instrument_id   text NOT NULL,
    product         text NOT NULL,
    cause           text NOT NULL,
    kind            text NOT NULL,
    intent          text NOT NULL,
    quantity        numeric NOT NULL,
    reason          text NOT NULL DEFAULT '',
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscription_id, instrument_id, product, cause, kind, intent)
);
CREATE FUNCTION paceline_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION paceline_refuse_change();

CREATE TABLE ledgers (
    subscription_id text NOT NULL,
    instrument_id   text NOT NULL,
    product         text NOT NULL,
    ideal           numeric NOT NULL,
    entry_planned   numeric NOT NULL,
    entry_released  numeric NOT NULL,
    entry_filled    numeric NOT NULL,
    exit_planned    numeric NOT NULL,
    exit_released   numeric NOT NULL,
    exit_filled     numeric NOT NULL,
    adjusted        numeric NOT NULL,
    version         bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (subscription_id, instrument_id, product)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledgers IS 'The fold of ledger_entries, moved in the transaction that writes them.';

CREATE TABLE leader_states (
    account_id    text NOT NULL,
    instrument_id text NOT NULL,
    product       text NOT NULL,
    own           numeric NOT NULL,
    copied        numeric NOT NULL,
    version       bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (account_id, instrument_id, product)
);
COMMENT ON TABLE leader_states IS 'A leader''s positions as folded from his events up to the consumer offset.';

CREATE TABLE leader_order_sizings (
    account_id      text NOT NULL,
    order_id        text NOT NULL,
    subscription_id text NOT NULL,
    decision_id     text NOT NULL,
    PRIMARY KEY (account_id, order_id, subscription_id)
);
COMMENT ON TABLE leader_order_sizings IS
    'The first decision of a subscription on a leader''s order: its ratio is frozen for the order''s life.';

CREATE TABLE trades (
    trade_id        text PRIMARY KEY,
    account_id      text NOT NULL,
    subscription_id text,
    instrument_id   text NOT NULL,
    product         text NOT NULL,
    side            smallint NOT NULL,
    quantity        numeric NOT NULL,
    entry_order_id  text NOT NULL,
    entry_price     numeric NOT NULL,
    exit_order_id   text,
    exit_price      numeric,
    profit          numeric,
    currency        text NOT NULL DEFAULT 'INR',
    status          text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    opened_at       timestamptz NOT NULL DEFAULT now(),
    closed_at       timestamptz
);
CREATE INDEX trades_open ON trades (account_id) WHERE status = 'open';
