DROP TABLE kill_switch_reads;
DROP TABLE kill_switches;
DROP SEQUENCE kill_switch_changes;
