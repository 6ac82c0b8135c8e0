"""The feed under fire: many leaders, every fault of their sockets and books, and the journal judged."""
