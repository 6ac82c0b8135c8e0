-- The end of the trading day.

ALTER TABLE trades
    ADD COLUMN exited numeric NOT NULL DEFAULT 0,
    ADD COLUMN entry_value numeric NOT NULL DEFAULT 0,
    ADD COLUMN exit_value numeric NOT NULL DEFAULT 0,
    ADD COLUMN closed_because text NOT NULL DEFAULT '';
COMMENT ON COLUMN trades.trade_id IS 'The identity of the fact that opened it.';
COMMENT ON COLUMN trades.entry_value IS 'Exact sums of quantity x price; the prices beside them are rounded.';
DROP INDEX trades_open;
CREATE UNIQUE INDEX trades_open ON trades (account_id, instrument_id, product) WHERE status = 'open';
CREATE INDEX trades_by_account ON trades (account_id, opened_at);

ALTER TABLE copy_orders ADD COLUMN swept_at timestamptz;
COMMENT ON COLUMN copy_orders.swept_at IS
    'Since then a failed order is history: no list of living orders shows it, nothing arms it again.';
CREATE INDEX copy_orders_failed ON copy_orders (partition, planned_ns)
    WHERE status IN ('REJECTED', 'FAILED', 'SKIPPED') AND swept_at IS NULL;

CREATE TABLE day_ends (
    account_id  text NOT NULL,
    trading_day date NOT NULL,
    positions   text NOT NULL CHECK (positions IN ('COMPARED', 'UNREAD')),
    closed      integer NOT NULL,
    detail      text NOT NULL DEFAULT '',
    done_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, trading_day)
);
COMMENT ON COLUMN day_ends.positions IS 'UNREAD: no book of that day could be read, so no ledger was touched.';
