"""Copying under fire: a leader trades on while replicas die, judged as the demo's day is."""
