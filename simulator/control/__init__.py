"""The control door: what a test may do to the market and read of it, outside every limit."""

from simulator.control.door import ControlDoor

__all__ = ["ControlDoor"]
