ALTER TABLE copy_commands DROP COLUMN taken;
DROP INDEX copy_orders_refused;
ALTER TABLE copy_orders DROP COLUMN retried;
