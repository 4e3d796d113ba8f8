"""The IETF's drafts of rate limit headers, old and new: `ratelimit-limit: 100, 100;w=60`, `ratelimit-remaining`,
`ratelimit-reset`; `ratelimit: limit=100, remaining=50, reset=30`; `ratelimit: "default";r=50;t=30` beside
`ratelimit-policy: "default";q=100;w=60`.

Source: draft-ietf-httpapi-ratelimit-headers, versions 03 to 10.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from providers.moments import read_number, read_wait_s

DRAFT_NAMES = frozenset({"ratelimit", "ratelimit-policy", "ratelimit-limit"})  # a limit stands in one of these
_LONGEST = 2000  # characters of a header that are looked at
_ITEM = re.compile(r'(?:[^,"]|"[^"]*")+')


class Stated(msgspec.Struct, frozen=True):
    """One limit as these headers state it. `unit` is empty for requests; None is what was not said."""

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None
    window_s: float | None = None
    unit: str = ""


def read_drafts(found: Mapping[str, str], now: float) -> Iterator[Stated]:
    """What the headers state, names in lower case; `now` is seconds since 1970."""
    policies = _policies(found)
    parts = dict.fromkeys(("limit", "remaining", "reset"), "")
    states: dict[str, dict[str, str]] = {}
    for name, values in _items(found.get("ratelimit", "")):
        key, _, value = name.partition("=")
        if key in parts:
            parts[key] = value
        else:
            states[name] = values
    parts |= {part: value for part in parts if (value := found.get(f"ratelimit-{part}", "").partition(";")[0])}
    if any(parts.values()):
        yield _old(parts, policies, now)
    elif len(states) == len(policies) == 1:  # whatever each is called
        yield from (_new(policy, state, now) for policy, state in zip(policies.values(), states.values(), strict=True))
    else:
        yield from (_new(policy, states.get(name, {}), now) for name, policy in policies.items())


def _policies(found: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The policies by name; the old drafts' have a number for their name."""
    listed = found.get("ratelimit-policy") or found.get("ratelimit-limit", "").partition(",")[2]
    return {name: {"q": name} | values for name, values in _items(listed)}


def _items(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for item in _ITEM.findall(header[:_LONGEST]):
        name, *values = (piece.strip() for piece in item.split(";"))
        pairs = (value.partition("=") for value in values)
        yield name.strip('"'), {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}


def _old(parts: Mapping[str, str], policies: Mapping[str, Mapping[str, str]], now: float) -> Stated:
    limit = read_number(parts["limit"].partition(",")[0])
    fitting = [policy for policy in policies.values() if limit is None or read_number(policy["q"]) == limit]
    if len(fitting) != 1:
        return Stated(limit, read_number(parts["remaining"]), read_wait_s(parts["reset"], now))
    return _new(fitting[0], {"r": parts["remaining"], "t": parts["reset"]}, now)


def _new(policy: Mapping[str, str], state: Mapping[str, str], now: float) -> Stated:
    unit = policy.get("qu", "")
    limit, window_s = read_number(policy["q"]), read_number(policy.get("w", ""))
    return Stated(limit, read_number(state.get("r", "")), read_wait_s(state.get("t", ""), now), window_s, unit)
