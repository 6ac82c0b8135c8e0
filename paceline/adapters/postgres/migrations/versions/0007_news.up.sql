-- Transactions are numbered when they begin to write and seen when they commit. Whoever asks for what the
-- transactions from a horizon on have changed, the horizon being the oldest that was under way when he asked
-- last, misses nobody and keeps no writer waiting.
CREATE FUNCTION paceline_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;

ALTER TABLE accounts ADD COLUMN changed bigint NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN changed bigint NOT NULL DEFAULT 0;
ALTER TABLE session_accounts ADD COLUMN changed bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN accounts.changed IS 'The transaction that wrote this row last.';
COMMENT ON COLUMN sessions.changed IS 'The transaction that wrote this row last; frames are not news.';
COMMENT ON COLUMN session_accounts.changed IS 'The transaction that wrote this row last.';
CREATE INDEX accounts_by_changed ON accounts (changed);
CREATE INDEX sessions_by_changed ON sessions (changed);
CREATE INDEX session_accounts_by_changed ON session_accounts (changed);

CREATE TRIGGER accounts_stamp BEFORE INSERT OR UPDATE ON accounts
    FOR EACH ROW EXECUTE FUNCTION paceline_stamp();
CREATE TRIGGER session_accounts_stamp BEFORE INSERT OR UPDATE ON session_accounts
    FOR EACH ROW EXECUTE FUNCTION paceline_stamp();
CREATE TRIGGER sessions_born_stamp BEFORE INSERT ON sessions
    FOR EACH ROW EXECUTE FUNCTION paceline_stamp();
CREATE TRIGGER sessions_stamp BEFORE UPDATE ON sessions
    FOR EACH ROW WHEN (OLD.version <> NEW.version OR OLD.state <> NEW.state)
    EXECUTE FUNCTION paceline_stamp();
