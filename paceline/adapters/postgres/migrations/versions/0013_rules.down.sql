DROP TABLE copy_commands;
ALTER TABLE ledgers DROP COLUMN buy_pledged, DROP COLUMN sell_pledged;
ALTER TABLE copy_orders DROP COLUMN leader_order_id;
ALTER TABLE decisions DROP COLUMN ordered, DROP COLUMN granted, DROP COLUMN rounded_up, DROP COLUMN limited_by;
