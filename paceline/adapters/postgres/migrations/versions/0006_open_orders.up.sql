CREATE INDEX copy_orders_open_of_keys ON copy_orders (subscription_id, instrument_id, product)
    WHERE status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL');
