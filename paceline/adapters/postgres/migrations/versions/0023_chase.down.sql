DROP TABLE chases;
ALTER TABLE copy_orders DROP COLUMN protected, DROP COLUMN protected_ns, DROP COLUMN ends_as;
