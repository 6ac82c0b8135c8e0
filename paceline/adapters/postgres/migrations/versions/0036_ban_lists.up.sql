-- Instruments that are not open for new positions, as somebody told: each source may say one list for a day on.

CREATE TABLE ban_lists (
    source      text NOT NULL,
    first_day   date NOT NULL,
    last_day    date CHECK (last_day >= first_day),
    underlyings text[] NOT NULL,
    instruments text[] NOT NULL,
    reason      text NOT NULL,
    written_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, first_day)
);
COMMENT ON COLUMN ban_lists.last_day IS 'None is until the next list of the same source.';
COMMENT ON COLUMN ban_lists.underlyings IS 'Whose futures and options take no new positions.';
