DROP TABLE consumer_offsets, dead_letters, event_identities, events, account_heads, partition_heads, replicas, leases;
DROP FUNCTION paceline_lay_event_weeks(date, integer);
DROP FUNCTION paceline_drop_event_weeks(date);
