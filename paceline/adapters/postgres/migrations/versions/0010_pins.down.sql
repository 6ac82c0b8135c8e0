ALTER TABLE partition_heads DROP COLUMN pinned;
DROP TABLE session_pins;
