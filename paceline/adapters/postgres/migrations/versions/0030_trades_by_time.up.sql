-- Lists are given page by page, the last entered first: of everybody, or of one subscription.
CREATE INDEX trades_by_time ON trades (opened_at, trade_id);
CREATE INDEX trades_by_subscription ON trades (subscription_id, opened_at, trade_id) WHERE subscription_id IS NOT NULL;
