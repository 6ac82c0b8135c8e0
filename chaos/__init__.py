"""Faults from a seed while a real stack trades, judged by the simulator's own books."""
