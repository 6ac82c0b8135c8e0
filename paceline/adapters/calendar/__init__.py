"""When India's exchanges trade, as data."""
