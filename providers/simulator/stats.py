"""What a simulator saw and did: how often each body came, and how its calls ended."""

from collections import Counter

import msgspec

from providers.simulator.faults import FaultKind

_KEY_BYTES = 8


class Stats(msgspec.Struct, frozen=True):
    """A moment's counts. Every call is one of: in flight, answered, refused, limited, faulty, abandoned.

    Tokens are those of all answers that were made, and so billed, whether or not they arrived whole.
    """

    calls: int
    answered: int
    refused: int  # 400: the body was wrong
    limited: int  # 429 of a limit or a storm
    abandoned: int  # none of these: the client left before its answer
    faults: dict[str, int]
    in_flight: int
    most_in_flight: int
    distinct_bodies: int
    repeated_bodies: int  # bodies that came more than once
    billed: int  # answers, those of batches too, as are their tokens
    prompt_tokens: int
    completion_tokens: int
    batch_billed: dict[str, int]  # lines, prompt_tokens, completion_tokens: what of these went by batch
    batch_lines_seen_twice: int  # bodies that were billed more than once, and at least once as a batch's line
    batches: dict[str, int] = {}  # created, running, completed, cancelled, expired, refused
    batch_files: int = 0


class Tally:
    """The running counts. A body is held as eight bytes of its digest."""

    def __init__(self) -> None:
        self.answered = 0
        self.refused = 0
        self.limited = 0
        self._faults: Counter[str] = Counter()
        self._seen: dict[bytes, int] = {}
        self._calls = 0
        self._repeated = 0
        self._in_flight = 0
        self._most_in_flight = 0
        self._billed = 0
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._times_billed: Counter[bytes] = Counter()
        self._billed_lines: set[bytes] = set()
        self._batch_billed = {"lines": 0, "prompt_tokens": 0, "completion_tokens": 0}

    def arrive(self) -> None:
        self._calls += 1
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def leave(self) -> None:
        self._in_flight -= 1

    def see(self, body_digest: bytes) -> int:
        """Count a body; how often it has come, this time included."""
        key = body_digest[:_KEY_BYTES]
        times = self._seen.get(key, 0) + 1
        self._seen[key] = times
        self._repeated += times == 2
        return times

    def bill(self, body_digest: bytes, prompt_tokens: int, completion_tokens: int) -> None:
        """Count an answer at the moment when it is made."""
        self._times_billed[body_digest[:_KEY_BYTES]] += 1
        self._billed += 1
        self._prompt_tokens += prompt_tokens
        self._completion_tokens += completion_tokens

    def bill_line(self, body_digest: bytes, prompt_tokens: int, completion_tokens: int) -> None:
        """Count the answer to a batch's line."""
        self.bill(body_digest, prompt_tokens, completion_tokens)
        self._billed_lines.add(body_digest[:_KEY_BYTES])
        self._batch_billed["lines"] += 1
        self._batch_billed["prompt_tokens"] += prompt_tokens
        self._batch_billed["completion_tokens"] += completion_tokens

    def fault(self, kind: FaultKind) -> None:
        self._faults[kind.value] += 1

    def seen(self) -> dict[str, int]:
        """How often each body came, by the first sixteen hexadecimal digits of its digest."""
        return {key.hex(): times for key, times in self._seen.items()}

    def stats(self) -> Stats:
        settled = self.answered + self.refused + self.limited + self._faults.total()
        return Stats(
            calls=self._calls,
            answered=self.answered,
            refused=self.refused,
            limited=self.limited,
            abandoned=max(0, self._calls - self._in_flight - settled),
            faults=dict(self._faults),
            in_flight=self._in_flight,
            most_in_flight=self._most_in_flight,
            distinct_bodies=len(self._seen),
            repeated_bodies=self._repeated,
            billed=self._billed,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            batch_billed=dict(self._batch_billed),
            batch_lines_seen_twice=sum(self._times_billed[key] > 1 for key in self._billed_lines),
        )
