-- Adjustments of ledgers that somebody ordered, carried out by who holds the leader's partition; and corporate
-- actions, each of which orders one for every ledger that it concerns, once for each partition.

CREATE TABLE corporate_actions (
    action_id         text PRIMARY KEY,
    instrument_id     text NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('SPLIT', 'BONUS', 'SYMBOL_CHANGE')),
    ex_date           date NOT NULL,
    ratio_new         integer NOT NULL CHECK (ratio_new > 0),
    ratio_old         integer NOT NULL CHECK (ratio_old > 0),
    new_instrument_id text,
    reason            text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (instrument_id, ex_date),
    CHECK ((kind = 'SYMBOL_CHANGE') = (new_instrument_id IS NOT NULL))
);
CREATE INDEX corporate_actions_by_ex_date ON corporate_actions (ex_date);

CREATE TABLE corporate_action_marks (
    action_id  text NOT NULL REFERENCES corporate_actions,
    partition  smallint NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (action_id, partition)
);
COMMENT ON TABLE corporate_action_marks IS 'Partitions of leaders in which one was carried out: never twice.';

CREATE TABLE ledger_adjustments (
    adjustment_id     text PRIMARY KEY,
    partition         smallint NOT NULL,
    subscription_id   text NOT NULL REFERENCES subscriptions,
    instrument_id     text NOT NULL,
    product           text NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('MANUAL', 'CORPORATE_ACTION')),
    held              numeric NOT NULL,
    position          numeric NOT NULL,
    ratio_new         integer NOT NULL DEFAULT 1,
    ratio_old         integer NOT NULL DEFAULT 1,
    new_instrument_id text,
    reason            text NOT NULL,
    action_id         text REFERENCES corporate_actions,
    state             text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'DONE', 'REFUSED')),
    detail            text NOT NULL DEFAULT '',
    created_at        timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz
);
COMMENT ON COLUMN ledger_adjustments.partition IS 'Of the leader.';
COMMENT ON COLUMN ledger_adjustments.held IS 'What the ledger held when this was ordered: refused where it holds something else.';
CREATE INDEX ledger_adjustments_waiting ON ledger_adjustments (partition) WHERE state = 'WAITING';
CREATE INDEX ledger_adjustments_by_time ON ledger_adjustments (created_at, adjustment_id);
CREATE INDEX ledger_adjustments_by_subscription ON ledger_adjustments (subscription_id, created_at);
