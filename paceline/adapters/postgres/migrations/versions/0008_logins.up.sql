-- One login for an account, whoever needs it: tokens are counted, refusals and failures are kept, the turn is claimed.

ALTER TABLE sessions
    ADD COLUMN state_since       timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN login_url         text NOT NULL DEFAULT '',
    ADD COLUMN token_version     bigint NOT NULL DEFAULT 1,
    ADD COLUMN token_at          timestamptz,
    ADD COLUMN refused_version   bigint NOT NULL DEFAULT 0,
    ADD COLUMN lived_version     bigint NOT NULL DEFAULT 0,
    ADD COLUMN refresh_refused   boolean NOT NULL DEFAULT false,
    ADD COLUMN failed_logins     integer NOT NULL DEFAULT 0,
    ADD COLUMN login_failure     text NOT NULL DEFAULT '',
    ADD COLUMN login_after       timestamptz,
    ADD COLUMN login_claim       text,
    ADD COLUMN login_claim_until timestamptz;
COMMENT ON COLUMN sessions.token_version IS 'Counts the tokens; what is remembered of a token is remembered by it.';
COMMENT ON COLUMN sessions.refused_version IS 'The newest token that the broker did not take.';
COMMENT ON COLUMN sessions.lived_version IS 'The newest token with which the session was live.';
COMMENT ON COLUMN sessions.refresh_refused IS 'The broker wants the person: nothing is tried until there is something new.';
COMMENT ON COLUMN sessions.failed_logins IS 'In a row, since the session was last live with a new token or a person acted.';
COMMENT ON COLUMN sessions.login_after IS 'No earlier attempt by ourselves.';
COMMENT ON COLUMN sessions.login_claim IS 'Who logs in just now; a claim that ran out is free.';
