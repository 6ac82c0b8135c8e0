"""A real PostgreSQL and a real Redis-protocol server from wheels, gone when their owner is gone."""
