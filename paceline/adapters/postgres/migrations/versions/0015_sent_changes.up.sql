-- Request windows that their store forgot are counted again from what was sent, changes too.
CREATE INDEX copy_commands_sent ON copy_commands (account_id, sent_ns) WHERE sent_ns > 0;
