DROP TRIGGER sessions_stamp ON sessions;
DROP TRIGGER sessions_born_stamp ON sessions;
DROP TRIGGER session_accounts_stamp ON session_accounts;
DROP TRIGGER accounts_stamp ON accounts;
ALTER TABLE session_accounts DROP COLUMN changed;
ALTER TABLE sessions DROP COLUMN changed;
ALTER TABLE accounts DROP COLUMN changed;
DROP FUNCTION paceline_stamp();
