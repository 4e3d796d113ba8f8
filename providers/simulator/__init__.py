"""An OpenAI-compatible server on loopback: the default provider, free of cost, and the source of faults in tests.

It sees only what comes over HTTP. Its answers are a function of seed and body; its faults of seed, body and how often
that body came; only its limits (rpm, tpm) and its batches look at the clock. Words in a model's name plant behaviours
that an evaluation is to find again (`claims-35-20`, `garbles-10`, `fails-5`, `slow-3`): see `personas`. Everything it
sends is labelled simulated.
"""

from providers.simulator.server import Simulator, serve
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Stats
from providers.wire import SIMULATED_HEADER

__all__ = ["SIMULATED_HEADER", "Simulator", "SimulatorSettings", "Stats", "serve"]
