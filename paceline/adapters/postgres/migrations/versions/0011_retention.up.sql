-- How much of the journal is kept, and what stands in for what went.

CREATE TABLE journal_floors (
    partition   smallint PRIMARY KEY,
    gone_offset bigint NOT NULL
);
COMMENT ON TABLE journal_floors IS
    'Events up to this offset went. A table of its own: the heads are locked by every append.';

CREATE TABLE journal_weeks_gone (
    week      date PRIMARY KEY,
    events    bigint NOT NULL,
    stretches jsonb NOT NULL,
    archive   text,
    sha256    text,
    gone_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((archive IS NULL) = (sha256 IS NULL))
);
COMMENT ON COLUMN journal_weeks_gone.archive IS 'NULL where weeks go without one, as set.';

CREATE TABLE position_checkpoints (
    partition    smallint PRIMARY KEY,
    event_offset bigint NOT NULL,
    body         jsonb NOT NULL,
    taken_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE position_checkpoints IS
    'What all fills and baselines of a partition up to an offset come to; the fold goes on from there.';

CREATE INDEX dead_letters_by_age ON dead_letters USING brin (recorded_at);

DROP FUNCTION paceline_drop_event_weeks(date);

-- Drops one week, whatever table its rows are in, and moves the floors past it. A plain drop: PostgreSQL
-- detaches concurrently only where there is no default partition.
CREATE FUNCTION paceline_drop_event_week(week date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'events_' || to_char(week, 'YYYYMMDD');
BEGIN
    INSERT INTO journal_floors AS f (partition, gone_offset)
    SELECT partition, max(event_offset) FROM events
    WHERE journaled_on >= week AND journaled_on < week + 7
    GROUP BY partition
    ON CONFLICT (partition) DO UPDATE SET gone_offset = greatest(f.gone_offset, excluded.gone_offset);
    EXECUTE format('DROP TABLE IF EXISTS %I', name);
    DELETE FROM events_default WHERE journaled_on >= week AND journaled_on < week + 7;
END $$;
