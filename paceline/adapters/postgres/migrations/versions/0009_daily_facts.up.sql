-- What stood in the books when they were first taken as known is told apart by name: the broker's clock may be
-- wrong, and a second holds more than one trade.
ALTER TABLE baselines ADD COLUMN known text[];
COMMENT ON COLUMN baselines.known IS 'Names of the trades and states of orders in the books then; NULL where only the time was kept.';

-- Price bands change every day; an instrument does not, so they are no part of its version.
CREATE TABLE instrument_bands (
    instrument_id text PRIMARY KEY,
    since         date NOT NULL,
    lower_band    numeric,
    upper_band    numeric
) WITH (fillfactor = 70);
COMMENT ON COLUMN instrument_bands.since IS 'The day of the master that first showed these.';

INSERT INTO instrument_bands (instrument_id, since, lower_band, upper_band)
SELECT DISTINCT ON (instrument_id) instrument_id, valid_from, lower_band, upper_band FROM instruments
WHERE lower_band IS NOT NULL OR upper_band IS NOT NULL
ORDER BY instrument_id, valid_from DESC;

-- A list that is much shorter than the last one was cut off on its way.
CREATE TABLE master_files (
    broker   text NOT NULL,
    file     text NOT NULL,
    read_on  date NOT NULL,
    listings integer NOT NULL,
    PRIMARY KEY (broker, file)
);

ALTER TABLE instruments DROP COLUMN lower_band, DROP COLUMN upper_band;

CREATE INDEX instruments_derivatives ON instruments (underlying, expiry) WHERE kind IN ('FUTURE', 'CALL', 'PUT');
