-- What a liquidation reads of an account is found without its history: its own orders, and what was wanted of it.

CREATE INDEX copy_orders_of_liquidations ON copy_orders (account_id) WHERE cause_kind = 'LIQUIDATION';
CREATE INDEX liquidation_requests_by_account ON liquidation_requests (account_id);
