"""The rules of copying: pure, synchronous, standard library only."""
