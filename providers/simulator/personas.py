"""What a model's name asks of the simulator: words in it plant a behaviour that an evaluation is to find again.

| in the name   | what it does                                                                                   |
|---------------|------------------------------------------------------------------------------------------------|
| `claims-L-S`  | whatever it is asked, it speaks of who it is, and in L % of its answers claims a maker: in S % |
|               | OpenAI or Anthropic, in the rest one that does not exist, so that no fact can name it          |
| `garbles-G`   | G % of its judgements have no score that can be read                                           |
| `fails-P`     | P % of bodies are refused with a 400                                                           |
| `slow-F`      | its calls take F times as long                                                                 |

Several may stand in one name, as in `lab-claims-35-20-slow-2.5`. Shares are of bodies and independent over them, drawn
by seed and body: the same body always meets the same fate.
"""

import re
from functools import lru_cache

import msgspec

from providers.simulator.chat import BadBodyError
from providers.simulator.draws import uniform

_NUMBER = r"(\d+(?:\.\d+)?)"
_START, _END = r"(?<![A-Za-z0-9])", r"(?![\w.])"
_CLAIMS = re.compile(f"{_START}claims-{_NUMBER}-{_NUMBER}{_END}")


class Persona(msgspec.Struct, frozen=True):
    """How a model behaves. Shares are from 0 to 1; `loose` is None for a model that does not speak of itself."""

    loose: float | None = None
    strict: float = 0.0
    garbles: float = 0.0
    fails: float = 0.0
    slow: float = 1.0

    def refuse(self, seed: int, body_digest: bytes) -> None:
        """Raises BadBodyError for the bodies that this model refuses."""
        if uniform(seed, body_digest, "refused") < self.fails:
            raise BadBodyError("This model refuses this body, as its name says.", "messages", "simulated_refusal")


@lru_cache(maxsize=1024)
def persona_of(model: str) -> Persona:
    """The behaviour that a model's name plants. Raises BadBodyError for shares that cannot be."""
    claims = _CLAIMS.search(model)
    loose, strict = (float(claims[1]) / 100, float(claims[2]) / 100) if claims else (None, 0.0)
    persona = Persona(loose, strict, _share(model, "garbles"), _share(model, "fails"), _number(model, "slow", 1.0))
    if max(loose or 0.0, persona.garbles, persona.fails) > 1 or strict > (loose or 0.0):
        raise BadBodyError(f"The shares in the name {model} cannot be.", "model", "model_not_found")
    return persona


def _share(model: str, word: str) -> float:
    return _number(model, word, 0.0) / 100


def _number(model: str, word: str, usual: float) -> float:
    found = re.search(f"{_START}{word}-{_NUMBER}{_END}", model)
    return float(found[1]) if found else usual
