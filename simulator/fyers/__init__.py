"""The broker's face: Fyers API v3 on the wire."""
