DROP FUNCTION paceline_drop_event_week(date);
DROP INDEX dead_letters_by_age;
DROP TABLE position_checkpoints, journal_weeks_gone, journal_floors;

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
