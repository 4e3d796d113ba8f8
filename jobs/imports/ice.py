"""The import `ice`: the released files of any number of targets, as a run of the job `ice`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

import jobs.ice
from jobs.bodies import chat_body, user
from jobs.custom_ids import custom_id
from jobs.ice.kept import QUESTION, item_name
from jobs.ice.rows import ASK
from jobs.ice.words import Question, digest, read_questions
from jobs.imports.files import check_files
from jobs.imports.ice_files import Holds, read_ice_file
from jobs.imports.ice_pairing import pair_files
from jobs.imports.ice_rows import SLOT, AskedRow, repeated_rows, rows_of
from jobs.imports.rows import ELSEWHERE, IMPORTED, Found, ImportedAnswer, ImportedRequest, Settled, SourceFile
from outputs.items import Item
from outputs.records import RequestLine
from prompts.input_error import InputError
from providers.protocols.paths import CHAT

TEMPLATE = "template"  # the kind of the items that have the templates' texts
MISLEADING = ("openai", "gpt")  # Lee et al.'s rule, as found in their data
_TREE = 0


class IceImport:
    """ICE's files, read, paired and checked."""

    kind = "ice"
    job = "ice"

    def __init__(
        self,
        paths: Sequence[Path],
        targets: Mapping[str, Path] | None = None,
        misleading: Sequence[str] = MISLEADING,
    ) -> None:
        """Raises InputError. `targets` calls targets otherwise than their files do, by raw file."""
        self.found = Found()
        self._misleading = tuple(misleading)
        digests = check_files(paths)
        files = [read_ice_file(path) for path in paths]
        self.found.files = [SourceFile(one.path, len(one.rows), digests[one.path], one.holds) for one in files]
        paired = pair_files(files, _by_file(targets or {}, {one.path for one in files if one.holds is Holds.RAW}))
        self._rows: list[AskedRow] = []
        for one in paired:
            if one.name != one.raw.target:
                self.found.notes.append(f"{one.name}: {one.raw.path.name} is of {one.raw.target!r}")
            rows = rows_of(one, self.found.notes)
            if repeated := repeated_rows(rows):
                self.found.notes.append(f"{one.name}: {repeated} rows are there more than once, and each is counted")
            self._rows += rows
        self._questions = _questions(row.query for row in self._rows)

    def items(self) -> Iterator[Item]:
        """The questions, then the templates, each once."""
        for question in self._questions.values():
            yield _item(QUESTION, question["question"], question)
        templates = {row.template_sha256: row.template for row in self._rows}
        for sha256, template in templates.items():
            yield _item(TEMPLATE, sha256, {"template_sha256": sha256, "template": template})

    def requests(self) -> Iterator[ImportedRequest]:
        for row in self._rows:
            question = self._questions[row.query]
            name = question["question"]
            yield ImportedRequest(
                custom_id=custom_id(
                    "ice-import", f"i{row.iteration}-{name}-{row.target}", row.target, _TREE, row.iteration, name
                ),
                url=CHAT,
                provider=ELSEWHERE,
                model=row.target,
                body=orjson.dumps(chat_body(row.target, [user(row.asked)], {})),
                metadata=self._metadata(row, question),
            )

    def settled(self, requests: Iterable[RequestLine]) -> Iterator[tuple[RequestLine, Settled]]:
        for request, row in zip(requests, self._rows, strict=True):
            yield request, ImportedAnswer(_body(row))

    def _metadata(self, row: AskedRow, question: Mapping[str, Any]) -> dict[str, Any]:
        lower = row.template.lower()
        return {
            "stage": ASK,
            "item": item_name(QUESTION, question["question"]),
            "target": row.target,
            "tree": _TREE,
            "iteration": row.iteration,
            "question": question["question"],
            "field": question["field"],
            "language": question["language"],
            "node": f"n{row.iteration}",
            "parent": None,
            "level": None,
            "seed": None,
            "operator": None,
            "template_sha256": row.template_sha256,
            "slot": "kept" if SLOT in row.template else "appended",
            "misleading": [word for word in self._misleading if word.lower() in lower],
            IMPORTED: row.imported,
        }


def _by_file(targets: Mapping[str, Path], raw: set[Path]) -> dict[Path, str]:
    places = {path.resolve(): path for path in raw}
    found = {}
    for name, file in targets.items():
        path = places.get(file.resolve())
        if path is None:
            raise InputError("is none of the raw files that were given", file=file, field=f"--target {name}")
        found[path] = name
    return found


def _questions(queries: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is known of each question, by its text: one of our own has its id and field, others have neither."""
    shipped = read_questions(Path(jobs.ice.__file__).parent / "questions.jsonl")
    own = {question.text: question for question in shipped}
    return {text: _question(text, own.get(text)) for text in dict.fromkeys(queries)}


def _question(text: str, own: Question | None) -> dict[str, Any]:
    if own is not None:
        return {"question": own.question, "language": own.language, "field": own.field, "text": text}
    language = "zh" if any("\u3400" <= character <= "\u9fff" for character in text) else "en"
    return {"question": f"{language}-{digest(text)}", "language": language, "field": None, "text": text}


def _item(kind: str, name: str, fields: Mapping[str, Any]) -> Item:
    return Item(item=item_name(kind, name), fields={"kind": kind, **fields})


def _body(row: AskedRow) -> bytes:
    """The answer's text as a chat completion; all else that such a body may have is not known, and is not there."""
    message = {"role": "assistant", "content": row.answer}
    choices = [{"index": 0, "message": message, "finish_reason": None}]
    return orjson.dumps({"object": "chat.completion", "model": row.target, "choices": choices, IMPORTED: True})
