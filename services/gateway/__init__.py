"""The gateway: the one door for people and other services; it decides nothing about trades."""
