DROP TABLE drifts;
