"""Holds broker sessions, journals what happens in them, and streams it."""
