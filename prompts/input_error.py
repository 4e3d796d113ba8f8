"""The one error for bad input. It lives in the lowest room because every room reads something."""

from pathlib import Path

from prompts.plain_text import plain_text


class InputError(Exception):
    """Something the user gave is wrong: nothing was sent, and the command exits with 2.

    The message reads `file:line: field: what is wrong and what to do`, with the parts that are known.
    """

    def __init__(
        self, message: str, *, file: Path | str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.file = None if file is None else str(file)
        self.line = line
        self.field = field
        self.message = message
        place = self.file or ""
        if line is not None:
            place += f":{line}" if place else f"line {line}"
        super().__init__(plain_text(": ".join(part for part in (place, field, message) if part)))


def split_fault(error: str) -> tuple[str, str | None]:
    """What is wrong, and the path of the field that it is wrong with, from msgspec's message about a decoded record."""
    what, _, path = error.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    for opening, said in (
        ("Object missing required field `", "is missing"),
        ("Object contains unknown field `", "unknown key"),
    ):
        if what.startswith(opening):
            name = what.removeprefix(opening).rstrip("`")
            return said, f"{field}.{name}" if field else name
    return what, field or None
