DROP TABLE liquidation_steps, liquidations;

CREATE TABLE liquidations (
    liquidation_id text PRIMARY KEY,
    account_id     text NOT NULL REFERENCES accounts,
    parent_id      text REFERENCES liquidations,
    state          text NOT NULL,
    cause          jsonb NOT NULL,
    version        bigint NOT NULL DEFAULT 1,
    started_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz
);
CREATE UNIQUE INDEX liquidations_running ON liquidations (account_id) WHERE finished_at IS NULL;
CREATE INDEX liquidations_by_parent ON liquidations (parent_id) WHERE parent_id IS NOT NULL;
