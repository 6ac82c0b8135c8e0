"""An exchange with a broker's wire face: the stand-in the platform is built against and judged by."""

from simulator.server import Simulator, Urls, serve
from simulator.settings import Settings

__all__ = ["Settings", "Simulator", "Urls", "serve"]
