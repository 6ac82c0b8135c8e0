-- What happened: the journal, who read it how far, and who may write it.

CREATE TABLE leases (
    service     text NOT NULL,
    partition   smallint NOT NULL,
    epoch       bigint NOT NULL DEFAULT 0,
    owner       text,
    address     text NOT NULL DEFAULT '',
    acquired_at timestamptz,
    renewed_at  timestamptz,
    ttl_ms      integer NOT NULL DEFAULT 0,
    version     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (service, partition)
);
-- Makes the epoch a key column: a take-over then waits for every transaction that fenced
-- itself with FOR KEY SHARE, while renewals pass beside them.
CREATE UNIQUE INDEX leases_fence ON leases (service, partition, epoch);

CREATE TABLE replicas (
    service text NOT NULL,
    owner   text NOT NULL,
    address text NOT NULL DEFAULT '',
    weight  integer NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT 0,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, owner)
);

CREATE TABLE partition_heads (
    partition   smallint PRIMARY KEY,
    last_offset bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO partition_heads (partition) SELECT generate_series(0, 255);

CREATE TABLE account_heads (
    account_id    text PRIMARY KEY,
    last_sequence bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE events (
    partition      smallint NOT NULL,
    event_offset   bigint NOT NULL,
    journaled_on   date NOT NULL,
    account_id     text NOT NULL,
    sequence       bigint NOT NULL,
    identity       text NOT NULL,
    kind           text NOT NULL,
    order_id       text NOT NULL,
    revision       integer NOT NULL,
    broker_time_ns bigint NOT NULL,
    seen_ns        bigint NOT NULL,
    journaled_ns   bigint NOT NULL,
    recovered      boolean NOT NULL,
    body           jsonb NOT NULL,
    raw            bytea NOT NULL,
    traceparent    text NOT NULL,
    PRIMARY KEY (partition, event_offset, journaled_on)
) PARTITION BY RANGE (journaled_on);
CREATE INDEX events_by_account ON events (account_id, event_offset);

CREATE TABLE events_default PARTITION OF events DEFAULT;
COMMENT ON TABLE events_default IS 'Catches what no weekly partition was laid for; empty in health.';

-- A table of its own, because uniqueness must outlast and cross the partitions of time.
CREATE TABLE event_identities (
    identity     text PRIMARY KEY,
    journaled_on date NOT NULL
);
CREATE INDEX event_identities_by_day ON event_identities USING brin (journaled_on);

-- Lays the weekly partitions that are missing from the week of `first_day` on; a week whose rows already
-- went to the default partition stays there.
CREATE FUNCTION paceline_lay_event_weeks(first_day date, weeks integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    week date := date_trunc('week', first_day)::date;
    name text;
    laid integer := 0;
BEGIN
    FOR i IN 1..weeks LOOP
        name := 'events_' || to_char(week, 'YYYYMMDD');
        IF to_regclass(name) IS NULL AND NOT EXISTS (
            SELECT FROM events_default WHERE journaled_on >= week AND journaled_on < week + 7
        ) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)', name, week, week + 7);
            laid := laid + 1;
        END IF;
        week := week + 7;
    END LOOP;
    RETURN laid;
END $$;

-- Drops the weeks that ended before `first_kept` and what else is older; says how many weeks went.
CREATE FUNCTION paceline_drop_event_weeks(first_kept date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    name text;
    dropped integer := 0;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= first_kept
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM events_default WHERE journaled_on < first_kept;
    DELETE FROM event_identities WHERE journaled_on < first_kept - 7;
    RETURN dropped;
END $$;

SELECT paceline_lay_event_weeks((now() AT TIME ZONE 'UTC')::date, 6);

CREATE TABLE dead_letters (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broker         text NOT NULL,
    account_id     text,
    source         text NOT NULL,
    reason         text NOT NULL,
    detail         text NOT NULL DEFAULT '',
    raw            bytea NOT NULL,
    received_ns    bigint NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_by_account ON dead_letters (account_id, dead_letter_id);

CREATE TABLE consumer_offsets (
    consumer     text NOT NULL,
    partition    smallint NOT NULL,
    event_offset bigint NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, partition)
) WITH (fillfactor = 50);
COMMENT ON COLUMN consumer_offsets.event_offset IS 'The last offset that is done with; 0 is none.';
