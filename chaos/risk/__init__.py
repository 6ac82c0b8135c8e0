"""Prices that cross lines again and again while replicas die, judged by the broker's own books."""
