"""Places copy orders: once, in order, under every limit; and follows what becomes of them."""
