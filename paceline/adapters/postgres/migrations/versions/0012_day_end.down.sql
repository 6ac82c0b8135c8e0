DROP TABLE day_ends;
COMMENT ON COLUMN trades.trade_id IS NULL;
DROP INDEX copy_orders_failed;
ALTER TABLE copy_orders DROP COLUMN swept_at;
DROP INDEX trades_by_account;
DROP INDEX trades_open;
CREATE INDEX trades_open ON trades (account_id) WHERE status = 'open';
ALTER TABLE trades DROP COLUMN exited, DROP COLUMN entry_value, DROP COLUMN exit_value, DROP COLUMN closed_because;
