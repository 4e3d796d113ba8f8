"""The simulated judge: it sees in a prompt which scores are asked for, and gives them by overlap of words.

What is judged stands in `<candidate>` and `<reference>` tags of the last user message; a prompt with other tags has its
last two blocks compared; one without gets drawn scores. A judgement of a text by pictures alone is drawn too, by the
pictures and the text: no other change of the body changes its distributions. Of identities it judges by names.
"""

from collections.abc import Sequence
from random import Random

from providers.simulator.alternatives import plain_token, score_token
from providers.simulator.chat import Chat
from providers.simulator.draws import digest, generator, uniform
from providers.simulator.forms import Form, lines
from providers.simulator.identity import judge_identity
from providers.simulator.overlap import Overlap, best_overlap
from providers.simulator.pictures import Picture, describe
from providers.simulator.slots import Slot, blocks, tagged
from providers.simulator.tokens import Token, split

_NOISE = 0.02  # standard deviation of a score's centre, as a share of the scale


def judged_overlap(text: str) -> Overlap | None:
    """The overlap of what a prompt compares; None where it compares nothing."""
    candidates, references = tagged(text, "candidate"), tagged(text, "reference")
    if candidates:
        return best_overlap(candidates[-1], references) if references else None
    texts = blocks(text)
    return best_overlap(texts[-1], texts[-2:-1]) if len(texts) > 1 else None


def quality(label: str, found: Overlap) -> float:
    """How good, from 0 to 1, the overlap is in what a label asks for."""
    name = label.lower()
    if any(word in name for word in ("accura", "precis", "correct", "faithful")):
        return found.precision
    if any(word in name for word in ("complete", "recall", "coverage", "detail")):
        return found.recall
    if any(word in name for word in ("concis", "brevity", "length")):
        # Words that no reference has are surplus, however many there are.
        return (found.length_ratio + found.precision) / 2
    return found.f1


def judge_tokens(
    seed: int, chat: Chat, body_digest: bytes, form: Form, choice: int, pictures: Sequence[Picture] = ()
) -> list[Token]:
    """One judgement in its form: a few sentences of reasoning, and the scores, each a token of its own.

    Choices differ in what they sample, not in the distributions they sample from.
    """
    words = generator(seed, body_digest, f"judge words {choice}")
    count = chat.alternatives
    if identity := judge_identity(chat.last_user_text, form.slots):
        answered = form if form.is_json else lines([identity.slot])
        return _worded(answered.filled(identity.reason, identity.value), words, count)
    found = judged_overlap(chat.last_user_text)
    judged = _judged_digest(chat.last_user_text, pictures) if pictures and found is None else body_digest

    def score(slot: Slot) -> Token:
        shape = generator(seed, judged, f"shape {slot.label}")
        sampling = generator(seed, body_digest, f"sample {slot.label} {choice}")
        value = uniform(seed, judged, f"value {slot.label}") if found is None else quality(slot.label, found)
        return score_token(_center(slot, value, shape), slot.low, slot.high, shape, sampling, count)

    tokens: list[Token] = []
    for part in form.parts:
        if isinstance(part, Slot):
            tokens.append(score(part))
        else:
            text = form.reasoning(_reasoning(found, pictures, words)) if part is None else part
            tokens += _worded(text, words, count)
    return tokens


def garbled_tokens(seed: int, chat: Chat, body_digest: bytes, slots: list[Slot], choice: int) -> list[Token]:
    """A judgement that nobody can read: no score at all, or one that breaks off behind its first digits."""
    words = generator(seed, body_digest, f"garbled words {choice}")
    cut = f"Let me see.\n{slots[0].opening}{words.randint(slots[0].low, slots[0].high)}"
    text = words.choice(("I would rather not put a number on this.", "That depends on what one makes of it.", cut))
    return _worded(text, words, chat.alternatives)


def _judged_digest(text: str, pictures: Sequence[Picture]) -> bytes:
    """The digest of what is judged without references: the pictures, and the candidate or else the whole text."""
    candidate = (tagged(text, "candidate") or [text])[-1]
    return digest(b"".join(picture.digest for picture in pictures) + candidate.encode())


def _center(slot: Slot, value: float, shape: Random) -> float:
    noisy = min(1.0, max(0.0, value + shape.gauss(0.0, _NOISE)))
    return slot.low + (slot.high - slot.low) * noisy


def _worded(text: str, words: Random, count: int | None) -> list[Token]:
    return [plain_token(part, words, count) for part in split(text)]


def _reasoning(found: Overlap | None, pictures: Sequence[Picture], words: Random) -> str:
    opening = words.choice(
        ("Taking the two texts word by word.", "Looking at which words recur.", "Counting words first.")
    )
    if pictures and found is None:
        return f"{describe(pictures)} No text stands beside it, so the marks below are drawn by lot, for what is shown."
    if pictures:
        opening = f"{describe(pictures)} {opening}"
    if found is None:
        return f"{opening} There is nothing here to compare with, so the marks below are drawn by lot."
    return (
        f"{opening} The text under judgement shares {found.shared} words with the closest text beside it: "
        f"{found.precision:.0%} of its own, {found.recall:.0%} of the other's."
    )
