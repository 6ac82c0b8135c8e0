DROP INDEX copy_commands_sent;
