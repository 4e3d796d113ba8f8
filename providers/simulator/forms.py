"""The form of the answer that a prompt asks for: its scores, where they stand, and what stands around them.

Prompts with slots (`slots`) are answered in lines. Where a prompt has none, the last one of these counts that stands
outside of tags in the last user message:

- a range between delimiters of one to three marks, such as `[[1-5]]` or `$0-100$`, alone on its line, or in backticks
  in the last paragraph: it is answered by reasoning and the integer between the same delimiters;
- a flat JSON object with placeholders, such as `{"reasoning": "...", "accuracy": #, "fluency": 1-5}`, of which one is
  for a score: it is answered by such an object and nothing else. Strings are placeholders for reasoning. A `#` is a
  digit, of the range that the prompt speaks of as in "one digit from 1 (bad) to 5" or "the digit, 0 or 1", else 0-9.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from providers.simulator.chat import Chat
from providers.simulator.slots import Slot, score_slots

_RANGE = r"(?P<low>\d{1,6})[ \t]*(?:[-–]|to|or)[ \t]*(?P<high>\d{1,6})"
_MARKS = r"[^\w\s`]{1,3}"
# The gap is the same on both sides: an item of a list, `- 1-5: bad`, is none.
_DELIMITED = rf"(?P<opening>{_MARKS})(?P<gap>[ \t]?){_RANGE}(?P=gap)(?P<closing>{_MARKS})"
_LINE = re.compile(rf"^[ \t]*`?{_DELIMITED}`?[ \t]*$", re.MULTILINE)
_QUOTED = re.compile(rf"`{_DELIMITED}`")
# No value holds a brace, so that no search passes the next object's start.
_VALUE = rf"(?:#|[\"<\[]{{0,2}}{_RANGE}[\"\]>]{{0,2}}|(?P<words>\"[^\"\n{{}}]*\"|<[^<>\n{{}}]*>))(?=\s*[,}}])"
_MEMBER = rf"\"(?P<key>[^\"\\\n{{}}]{{1,60}})\"\s*:\s*{_VALUE}"
_ONE_MEMBER = re.compile(_MEMBER)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _MEMBER)
_OBJECT = re.compile(rf"(?<!\":)(?<!\":\s)\{{\s*+(?>{_UNNAMED})(?>\s*,\s*{_UNNAMED})*+\s*\}}")
_DIGIT = re.compile(r"\bdigit,?\s+(?:from\s+)?(?P<low>\d)\b[^.\n]{0,60}?(?:\s(?:to|or)\s+|[-–])(?P<high>\d)\b")
_ANY_DIGIT = (0, 9)
_BLOCK = re.compile(r"<(?P<tag>[A-Za-z][\w-]*)(?:\s[^<>]*)?>(?:(?!<(?P=tag)[\s>]).)*?</(?P=tag)>", re.DOTALL)

Part = str | Slot | None  # words as they stand, a score, or (None) the reasoning


class Form(msgspec.Struct, frozen=True):
    """An answer's parts in their order. The reasoning is a JSON string where the answer `is_json`."""

    parts: tuple[Part, ...]
    is_json: bool = False

    @property
    def slots(self) -> list[Slot]:
        """The scores that the answer holds."""
        return [part for part in self.parts if isinstance(part, Slot)]

    def reasoning(self, text: str) -> str:
        """A reasoning as it stands in the answer."""
        return json.dumps(text, ensure_ascii=False) if self.is_json else text

    def filled(self, reasoning: str, score: int) -> str:
        """The answer with this reasoning and this one score."""
        said = self.reasoning(reasoning)
        return "".join(said if part is None else part if isinstance(part, str) else str(score) for part in self.parts)


def asked_form(chat: Chat) -> Form | None:
    """The form of the judgement that a chat asks for; None where it asks for none."""
    slots = score_slots(chat.text)
    return lines(slots) if slots else placeholder_form(chat.last_user_text)


def lines(slots: list[Slot]) -> Form:
    """Reasoning, and a line for each slot."""
    return Form((None, *(part for slot in slots for part in (f"\n{slot.opening}", slot, slot.closing))))


def placeholder_form(prompt: str) -> Form | None:
    """The form that the last placeholder outside of a prompt's tags shows; None where it has none."""
    if not any(pattern.search(prompt) for pattern in (_LINE, _QUOTED, _OBJECT)):
        return None
    text = _BLOCK.sub("", prompt).rstrip()
    shown = [*_delimited_forms(text), *_json_forms(text)]
    return max(shown, key=lambda place: place[0])[1] if shown else None


def _delimited_forms(text: str) -> Iterator[tuple[int, Form]]:
    """Each with where it stands in the text."""
    last_paragraph = text.rfind("\n\n") + 1
    for found in (*_LINE.finditer(text), *_QUOTED.finditer(text, last_paragraph)):
        slot = Slot("score", int(found["low"]), int(found["high"]), marks=(found["opening"], found["closing"]))
        if slot.low < slot.high:
            yield found.start(), lines([slot])


def _json_forms(text: str) -> Iterator[tuple[int, Form]]:
    """Each with where it stands in the text."""
    for found in _OBJECT.finditer(text):
        members = [_member(member, text) for member in _ONE_MEMBER.finditer(found[0])]
        form = Form(
            ("{", *members[0], *(part for member in members[1:] for part in (", ", *member)), "}"), is_json=True
        )
        if form.slots and all(slot.low < slot.high for slot in form.slots):
            yield found.start(), form


def _member(member: re.Match[str], text: str) -> tuple[Part, ...]:
    """One member of the object that a text shows."""
    opening = f'"{member["key"]}": '
    if member["words"] is not None:
        return opening, None
    shown = member if member["low"] else _DIGIT.search(text)
    low, high = (int(shown["low"]), int(shown["high"])) if shown else _ANY_DIGIT
    return opening, Slot(member["key"], low, high, marks=(opening, ""))
