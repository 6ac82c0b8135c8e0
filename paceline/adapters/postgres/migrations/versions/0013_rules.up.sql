-- What the whole rules of copying store: sizes granted per leader order, mirrored orders, and changes to orders.

ALTER TABLE decisions
    ADD COLUMN ordered numeric,
    ADD COLUMN granted numeric,
    ADD COLUMN rounded_up boolean NOT NULL DEFAULT false,
    ADD COLUMN limited_by text;
COMMENT ON COLUMN decisions.granted IS 'What the leader''s whole order brings at most, after the least and the caps.';

ALTER TABLE copy_orders ADD COLUMN leader_order_id text;
COMMENT ON COLUMN copy_orders.leader_order_id IS 'The leader''s order that the row mirrors through its life.';

ALTER TABLE ledgers
    ADD COLUMN buy_pledged numeric NOT NULL DEFAULT 0,
    ADD COLUMN sell_pledged numeric NOT NULL DEFAULT 0;

CREATE TABLE copy_commands (
    command_id      text PRIMARY KEY,
    number          bigint GENERATED ALWAYS AS IDENTITY,
    copy_order_id   text NOT NULL,
    tag             text NOT NULL,
    decision_id     text NOT NULL,
    cause_kind      text NOT NULL,
    cause_identity  text NOT NULL,
    subscription_id text NOT NULL,
    account_id      text NOT NULL,
    partition       smallint NOT NULL,
    instrument_id   text NOT NULL,
    product         text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('MODIFY', 'CANCEL')),
    spec            jsonb,
    lane            smallint NOT NULL,
    leader_time_ns  bigint NOT NULL,
    seen_ns         bigint NOT NULL,
    planned_ns      bigint NOT NULL,
    sent_ns         bigint NOT NULL DEFAULT 0,
    written_ns      bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint,
    status          text NOT NULL CHECK (status IN ('PLANNED', 'UNKNOWN', 'DONE', 'FOLDED', 'SUPERSEDED', 'LOST',
                                                    'REJECTED')),
    attempts        integer NOT NULL DEFAULT 0,
    error_code      text NOT NULL DEFAULT '',
    error_text      text NOT NULL DEFAULT '',
    traceparent     text NOT NULL DEFAULT '',
    version         bigint NOT NULL DEFAULT 1,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (decision_id, copy_order_id),
    CHECK ((kind = 'CANCEL') = (spec IS NULL))
) WITH (fillfactor = 80);
COMMENT ON TABLE copy_commands IS
    'Changes to copy orders, written ahead: each says what the order shall be, so doing it twice is doing it once.';
CREATE INDEX copy_commands_open ON copy_commands (partition, number) WHERE status IN ('PLANNED', 'UNKNOWN');
CREATE INDEX copy_commands_open_of_orders ON copy_commands (copy_order_id, number)
    WHERE status IN ('PLANNED', 'UNKNOWN');
