-- An account whose books were once taken as known is never taken as new again: what happened since is news.

CREATE TABLE baselines (
    account_id text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    taken_ns   bigint NOT NULL
);
COMMENT ON COLUMN baselines.taken_ns IS 'Broker facts older than this are not news.';
