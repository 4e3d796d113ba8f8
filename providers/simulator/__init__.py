"""An OpenAI-compatible server on loopback: the default provider, free of cost, and the source of faults in tests.

It sees only what comes over HTTP. Its answers are a function of seed and body; its faults of seed, body and how often
that body came; only its limits (rpm, tpm) look at the clock. Everything it sends is labelled simulated.
"""

from providers.simulator.server import Simulator, serve
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Stats
from providers.wire import SIMULATED_HEADER

__all__ = ["SIMULATED_HEADER", "Simulator", "SimulatorSettings", "Stats", "serve"]
