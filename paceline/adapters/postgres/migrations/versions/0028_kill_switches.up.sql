-- What people stopped, and which replicas know it.

CREATE SEQUENCE kill_switch_changes;

CREATE TABLE kill_switches (
    scope      text NOT NULL CHECK (scope IN ('EVERYTHING', 'LEADER', 'FOLLOWER')),
    scope_id   text NOT NULL DEFAULT '',
    level      text CHECK (level IN ('STOP_ENTRIES', 'CANCEL_WORKING', 'FLATTEN')),
    reason     text NOT NULL,
    actor      text NOT NULL,
    version    bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, scope_id),
    CHECK ((scope = 'EVERYTHING') = (scope_id = ''))
);
COMMENT ON COLUMN kill_switches.level IS 'None is released.';
COMMENT ON COLUMN kill_switches.version IS 'Of all switches together: whoever has read it has read all before it.';

CREATE TABLE kill_switch_reads (
    service text NOT NULL,
    replica text NOT NULL,
    version bigint NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, replica)
);
