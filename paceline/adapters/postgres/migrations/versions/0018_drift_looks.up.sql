-- Looks at the position book of an account that somebody asked for: written by who was asked, answered by who
-- holds the account.

CREATE TABLE drift_looks (
    request_id  text PRIMARY KEY,
    account_id  text NOT NULL,
    partition   smallint NOT NULL,
    policy      text NOT NULL DEFAULT '' CHECK (policy IN ('', 'REPORT', 'HEAL')),
    outcome     text NOT NULL DEFAULT '',
    asked_at    timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz
);
COMMENT ON COLUMN drift_looks.policy IS 'Empty is as each subscription says.';
CREATE INDEX drift_looks_open ON drift_looks (partition) WHERE answered_at IS NULL;
