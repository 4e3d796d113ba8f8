"""Versioned prompts: a Markdown file with a TOML header between two `+++` lines and a Jinja body.

A prompt is known by its name, its version and the SHA-256 of its file. The same text and variables always render to the
same words: templates run sandboxed, without globals, files or chance. Every fault is an `InputError`.
"""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import msgspec

from prompts.input_error import InputError
from prompts.parsers import check_format
from prompts.records import AnswerFormat
from prompts.toml_text import convert_table, near_miss, parse_toml

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

SHIPPED = Path(__file__).parent
FENCE = "+++"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Header(AnswerFormat, frozen=True, kw_only=True):
    """What the TOML header may say; any other key is an error.

    `name` (the file's stem), `version` (any text; a prompt whose words change gets another one) and `role` are needed.
    `role` says whom the words speak to: a judge, a test model, a helper. `variables` are the names that the body uses,
    and what a job must fill in.

    `parser` is the format of the answers, one of `prompts.parsers.PARSERS`; a prompt whose answers are no scores has
    none. `scale` is (lowest, highest), whole numbers; `dimensions` are the labels as the answer has them:

    - `accr`: `Label: [[85]]`, a line each; adds `average`.
    - `json_scores`: one JSON object, a key for each; adds `average`.
    - `labelled_aspects`: as `accr`, the last label is the overall one; adds `aspect_mean`, of all others.
    - `tagged_integer`: `<label>4</label>`, the label in lower case with underscores.
    - `delimited_score`: one label, which is not written; its score stands between `delimiters`, `["[[", "]]"]` if the
      header has none.
    - `tagged_text`: one label, and a text in its tag; no scale.
    """

    name: str
    version: str
    role: str
    variables: tuple[str, ...] = ()


class Prompt(Header, frozen=True, kw_only=True):
    """One prompt as it stands in its file: `text` is the whole file, `sha256` is of the file's bytes, in hex.

    `source` names the file in errors, and `body` starts at the file's line `body_line`.
    """

    sha256: str
    text: str
    body: str
    body_line: int
    source: str

    def render(self, **variables: Any) -> str:
        """The words to send. Raises InputError for a missing or undeclared variable, or a template that fails."""
        for name in self.variables:
            if name not in variables:
                raise InputError("the prompt needs this variable and did not get it", file=self.source, field=name)
        for name in variables:
            if name not in self.variables:
                raise InputError("the prompt's header does not declare this variable", file=self.source, field=name)
        try:
            return _compiled(self.body).render(variables)
        except Exception as error:  # a template may run any expression, so any error of an expression can come out
            what, line = str(error) or type(error).__name__, _line_of(error)
            place = None if line is None else self.body_line + line - 1
            raise InputError(f"cannot render: {what}", file=self.source, line=place, field="body") from error


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """The prompt `name`, from `folder` where that has it, else the shipped one."""
    if not _NAME.fullmatch(name):
        raise InputError("a prompt's name has letters, digits, '_' and '-' only", field=f"prompt {name!r}")
    folders = [SHIPPED] if folder is None else [folder, SHIPPED]
    for path in (place / f"{name}.md" for place in folders):
        if path.is_file():
            return read_prompt(path)
    known = {path.stem for place in folders for path in place.glob("*.md")}
    raise InputError(f"no such prompt{near_miss(name, known)}", field=f"prompt {name!r}")


def read_prompt(path: Path) -> Prompt:
    """The prompt in the file `path`, whose stem must be the prompt's name."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"cannot read the prompt: {error.strerror}", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", file=path) from None
    prompt = parse_prompt(text, str(path))
    if prompt.name != path.stem:
        raise InputError(f"is {prompt.name!r}, but the file's name says {path.stem!r}", file=path, field="name")
    return prompt


def parse_prompt(text: str, source: str) -> Prompt:
    """Read a prompt from the whole text of its file; `source` names it in errors."""
    head, body, body_line = _split(text, source)
    header = convert_table(parse_toml(head, file=source, lines_before=1), Header, file=source)
    _check_header(header, source)
    _check_body(body, body_line, header.variables, source)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    fields = msgspec.structs.asdict(header)
    return Prompt(**fields, sha256=sha256, text=text, body=body, body_line=body_line, source=source)


def _split(text: str, source: str) -> tuple[str, str, int]:
    """The header, the body and the body's first line number, counted from 1."""
    lines = text.removeprefix("\ufeff").split("\n")
    fences = [number for number, line in enumerate(lines) if line.rstrip() == FENCE][:2]
    if len(fences) < 2 or fences[0] != 0:
        raise InputError(f"a prompt starts with a TOML header between two {FENCE} lines", file=source, line=1)
    head, body = "".join(f"{line}\n" for line in lines[1 : fences[1]]), "\n".join(lines[fences[1] + 1 :])
    if not body.strip():
        raise InputError("nothing follows the header", file=source, line=fences[1] + 1, field="body")
    return head, body, fences[1] + 2


def _check_header(header: Header, source: str) -> None:
    if not _NAME.fullmatch(header.name):
        raise InputError("letters, digits, '_' and '-' only", file=source, field="name")
    if not header.version.strip():
        raise InputError("is empty", file=source, field="version")
    check_format(header, source)


def _check_body(body: str, body_line: int, declared: tuple[str, ...], source: str) -> None:
    from jinja2 import TemplateSyntaxError, meta, nodes

    try:
        tree = _environment().parse(body)
        undeclared = meta.find_undeclared_variables(tree) - set(declared)
    except TemplateSyntaxError as error:
        line = body_line + error.lineno - 1
        raise InputError(f"template: {error.message}", file=source, line=line, field="body") from None
    except RecursionError:
        raise InputError("template: nested too deeply", file=source, field="body") from None
    if undeclared:
        node = next(node for node in tree.find_all(nodes.Name) if node.name in undeclared)
        known = near_miss(node.name, declared)
        line = body_line + node.lineno - 1
        raise InputError(f"not among the header's variables{known}", file=source, line=line, field=node.name)


def _line_of(error: Exception) -> int | None:
    """The line of the template's body that an error came from, counted from 1."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    return lines[-1] if lines else None


@lru_cache(maxsize=1)
def _environment() -> "SandboxedEnvironment":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    class Bounded(SandboxedEnvironment):
        """A sandbox in which no expression makes a text or a number of any size out of little."""

        intercepted_binops = frozenset(("*", "**", "%"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            texts = isinstance(left, str | bytes | list | tuple) or isinstance(right, str | bytes | list | tuple)
            if texts or operator == "**":
                raise ValueError(f"{operator} is not there in prompts, but for * and % of numbers")
            return super().call_binop(context, operator, left, right)

    environment = Bounded(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.clear()
    for name in ("random", "center"):  # a request must not depend on chance, nor grow without bound
        del environment.filters[name]
    return environment


@lru_cache(maxsize=64)
def _compiled(body: str) -> "Template":
    return _environment().from_string(body)
