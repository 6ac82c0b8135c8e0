-- Differences between the ledgers of an account and its broker's position book.

CREATE TABLE drifts (
    drift_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    text NOT NULL,
    partition     smallint NOT NULL,
    instrument_id text NOT NULL,
    product       text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('MISSING', 'SURPLUS', 'UNEXPLAINED')),
    copied        numeric NOT NULL,
    net           numeric NOT NULL,
    amount        numeric NOT NULL,
    evidence      text NOT NULL,
    book_ns       bigint NOT NULL,
    heals         integer NOT NULL DEFAULT 0,
    since         timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz
);
COMMENT ON COLUMN drifts.book_ns IS 'When the newest book that shows it was asked for.';
CREATE UNIQUE INDEX drifts_standing ON drifts (account_id, instrument_id, product) WHERE ended_at IS NULL;
CREATE INDEX drifts_by_account ON drifts (account_id, drift_id);
