DROP INDEX copy_orders_open_of_keys;
