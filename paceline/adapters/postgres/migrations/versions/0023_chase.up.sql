-- Protected limits that rest unfilled follow the price: which orders they are, and how far each has come.

ALTER TABLE copy_orders
    ADD COLUMN protected boolean NOT NULL DEFAULT false,
    ADD COLUMN protected_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN ends_as text NOT NULL DEFAULT '';
COMMENT ON COLUMN copy_orders.protected IS
    'The limit stands for a market order, and is chased; a leader''s own limit stays where he put it.';
COMMENT ON COLUMN copy_orders.protected_ns IS 'When a mirrored order became one; 0 where it was from the start.';
COMMENT ON COLUMN copy_orders.ends_as IS 'Why it is taken back by our own hand: its end goes by this name.';

CREATE TABLE chases (
    copy_order_id text PRIMARY KEY,
    partition     smallint NOT NULL,
    steps         integer NOT NULL,
    modifications integer NOT NULL,
    stepped_ns    bigint NOT NULL,
    replacing     boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
COMMENT ON TABLE chases IS
    'How often each order was moved or given up; each step has its command, and its audit entry.';
COMMENT ON COLUMN chases.replacing IS 'It is cancelled so that another may take its place.';
CREATE INDEX chases_replacing ON chases (partition) WHERE replacing;
