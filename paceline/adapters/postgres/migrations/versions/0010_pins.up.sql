-- Sessions of which one replica has the right to journal, whoever holds the partition.
CREATE TABLE session_pins (
    account_id  text PRIMARY KEY,
    partition   smallint NOT NULL CHECK (partition BETWEEN 0 AND 255),
    epoch       bigint NOT NULL DEFAULT 0,
    owner       text,
    address     text NOT NULL DEFAULT '',
    ttl_ms      integer NOT NULL,
    version     bigint NOT NULL DEFAULT 0,
    acquired_at timestamptz,
    renewed_at  timestamptz
);
COMMENT ON TABLE session_pins IS 'Rows are laid once and never go: the epoch of an account only rises.';
COMMENT ON COLUMN session_pins.epoch IS 'Rises whenever the right to journal comes to another, also when it goes back to the partition''s owner.';
CREATE INDEX session_pins_by_partition ON session_pins (partition);

-- Read with the lock of the head, so that partitions without a pin pay for none.
ALTER TABLE partition_heads ADD COLUMN pinned boolean NOT NULL DEFAULT false;

CREATE TRIGGER session_pins_notify AFTER UPDATE ON session_pins
    FOR EACH ROW WHEN (OLD.epoch <> NEW.epoch)
    EXECUTE FUNCTION paceline_notify('paceline_pins', 'account_id');
