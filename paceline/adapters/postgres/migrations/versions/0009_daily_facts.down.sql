-- Bands become part of the newest version again, where their columns stood.
CREATE TEMPORARY TABLE instruments_without_bands ON COMMIT DROP AS TABLE instruments;
DROP TABLE instruments;

CREATE TABLE instruments (
    instrument_id text NOT NULL,
    valid_from    date NOT NULL,
    valid_to      date NOT NULL DEFAULT 'infinity',
    exchange      text NOT NULL,
    segment       text NOT NULL,
    kind          text NOT NULL,
    lot           numeric NOT NULL,
    tick          numeric NOT NULL,
    freeze_quantity numeric,
    lower_band    numeric,
    upper_band    numeric,
    multiplier    numeric NOT NULL DEFAULT 1,
    currency      text NOT NULL DEFAULT 'INR',
    underlying    text NOT NULL DEFAULT '',
    expiry        date,
    strike        numeric,
    PRIMARY KEY (instrument_id, valid_from)
);

INSERT INTO instruments
SELECT i.instrument_id, i.valid_from, i.valid_to, i.exchange, i.segment, i.kind, i.lot, i.tick, i.freeze_quantity,
    b.lower_band, b.upper_band, i.multiplier, i.currency, i.underlying, i.expiry, i.strike
FROM instruments_without_bands i
LEFT JOIN instrument_bands b ON b.instrument_id = i.instrument_id AND i.valid_to = 'infinity';

DROP TABLE master_files;
DROP TABLE instrument_bands;
ALTER TABLE baselines DROP COLUMN known;
