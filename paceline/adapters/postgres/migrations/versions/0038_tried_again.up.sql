-- What was refused is tried again: which exits had their next step, and how often a cancellation was taken.

ALTER TABLE copy_orders ADD COLUMN retried boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN copy_orders.retried IS
    'Of an exit that its broker refused: whether its next step was decided, be it that nothing is left to sell.';
UPDATE copy_orders SET retried = true WHERE status = 'REJECTED';
CREATE INDEX copy_orders_refused ON copy_orders (partition)
    WHERE status = 'REJECTED' AND intent = 'EXIT' AND NOT retried;

ALTER TABLE copy_commands ADD COLUMN taken integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN copy_commands.taken IS
    'How often the broker took a cancellation: one that is taken again and again is without effect.';
