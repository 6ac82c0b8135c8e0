DROP TABLE requests, audit, liquidations, freezes, risk_limits, instrument_ids, instruments;
