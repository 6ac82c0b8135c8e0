"""Risk: what every account is worth, five times a second."""
