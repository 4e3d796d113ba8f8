"""The scores that a prompt asks for, and what stands in its tags.

A slot is a line such as `- Accuracy: [[0-100]]`, or a tag with its range in it such as `<overall>1-5</overall>` and
`<conflict>0 or 1</conflict>`. What a prompt without them may show instead is found in `forms`.
"""

import re

import msgspec

_SLOT = re.compile(
    r"(?:^[ \t]*(?:(?:[-*+•]|\d+[.)])[ \t]+)?|`)[*_\"]*"
    r"(?P<label>[^\W\d_][^:\n\[\]`*]{0,60}?)[*_\" ]*:[*_\" ]*"
    r"\[\[\s*(?P<low>-?\d{1,6})\s*[-–]\s*(?P<high>-?\d{1,6})\s*\]\]",
    re.MULTILINE,
)
_TAG_SLOT = re.compile(
    r"<(?P<label>[A-Za-z]\w{0,60})>\s*(?P<low>-?\d{1,6})\s*(?:[-–]|to|or)\s*(?P<high>-?\d{1,6})\s*</(?P=label)>"
)
_BLOCK = re.compile(r"<(?P<tag>[A-Za-z][\w-]*)>(?P<text>.*?)</(?P=tag)>", re.DOTALL)


class Slot(msgspec.Struct, frozen=True):
    """One score that a prompt asks for, on a scale of integers with both ends.

    It is answered behind its label, in tags where it is `tagged`, or between `marks`.
    """

    label: str
    low: int
    high: int
    tagged: bool = False
    marks: tuple[str, str] | None = None

    @property
    def opening(self) -> str:
        """What stands before the score in an answer."""
        if self.marks is not None:
            return self.marks[0]
        return f"<{self.label}>" if self.tagged else f"{self.label}: [["

    @property
    def closing(self) -> str:
        """What stands behind it."""
        if self.marks is not None:
            return self.marks[1]
        return f"</{self.label}>" if self.tagged else "]]"


def score_slots(prompt: str) -> list[Slot]:
    """The slots of a prompt, tags last; the first of a label counts, and an empty scale is none."""
    slots: dict[str, Slot] = {}
    for mark, pattern in (("[[", _SLOT), ("</", _TAG_SLOT)):
        for found in pattern.finditer(prompt) if mark in prompt else ():
            slot = Slot(found["label"].strip(), int(found["low"]), int(found["high"]), pattern is _TAG_SLOT)
            if slot.low < slot.high:
                slots.setdefault(slot.label, slot)
    return list(slots.values())


def tagged(text: str, tag: str) -> list[str]:
    """What stands between each innermost `<tag>` and `</tag>`; a tag that is only spoken of is not one."""
    parts = text.split(f"<{tag}>")[1:]
    return [part.partition(f"</{tag}>")[0].strip() for part in parts if f"</{tag}>" in part]


def blocks(text: str) -> list[str]:
    """What stands in the tags of a text, whatever their names, but for slots."""
    return [found["text"] for found in _BLOCK.finditer(_TAG_SLOT.sub("", text))]
