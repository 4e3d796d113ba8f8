"""judge: any prompt with a parser, over the rows of any table; each row is rated by every judge.

The prompt's variables are the row's columns. Of a set of captions they are `candidate` and `references`, of a prompt
set `question`, the last message of the user; no picture is shown here. A column `model` says whose text a row has, and
the ratings are averaged by it; where a judge rates texts of its own, the row is marked `self_preference`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from jobs.datasets import Holds, open_dataset
from jobs.dialogues import questions
from jobs.filling import fill
from jobs.judging import Judging, make_judging
from jobs.materials import Materials
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import DatasetSpec, JobKind, JobSpec
from outputs.items import Item
from prompts.input_error import InputError
from prompts.template import Prompt

NAME = "judge"


class JudgeSpec(JobSpec, frozen=True, kw_only=True):
    """The spec of a run that judges rows.

    `swap` names two variables whose values are exchanged for a second look at each row. `logprobs` asks for so many
    alternatives at each token, for scores that are expectations.
    """

    judges: list[str]
    prompt: str
    dataset: DatasetSpec
    repeats: int = 1
    swap: tuple[str, str] | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


@dataclass(slots=True)
class JudgeJob:
    """Asks about every item; nothing follows but verdicts."""

    judging: Judging
    read_items: Callable[[], Iterator[Item]]
    name: str = NAME
    follows_up: bool = True

    def items(self) -> Iterator[Item]:
        """The rows of the dataset. Raises InputError."""
        return self.read_items()

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """All judgements, in the items' order. Raises InputError for a row that the prompt cannot be filled with."""
        for item in items:
            variables = fill(self.judging.prompt, item, _made(item))
            told = _told(item)
            authors = (told["model"],) if "model" in told else ()
            yield from self.judging.requests(NAME, item.item, (item.item,), variables, authors=authors, **told)

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:  # noqa: ARG002
        return iter(())

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterable[Verdict]:  # noqa: ARG002
        """The verdict on an answer; nothing follows from a failure."""
        return () if isinstance(settled, Failed) else (self.judging.verdict(settled),)

    def notes(self) -> tuple[str, ...]:
        return ()


def _made(item: Item) -> dict[str, Any]:
    """What an item has beside its fields."""
    made: dict[str, Any] = {}
    if item.candidate:
        made |= {"candidate": item.candidate, "references": item.references}
    if item.messages:
        made |= {"question": questions(item)[-1]}
    return made


def _told(item: Item) -> dict[str, str]:
    """What the metadata say of an item's rows."""
    told = {"item": item.item} | ({"dataset": item.dataset} if item.dataset else {})
    model = item.fields.get("model")
    return told | ({"model": model} if isinstance(model, str) and model.strip() else {})


def build(spec: JudgeSpec, materials: Materials) -> JudgeJob:
    """The job of a spec. Raises InputError."""
    judging = make_judging(
        materials,
        judges=spec.judges,
        prompt=spec.prompt,
        variables=None,
        params=_params(spec, materials),
        repeats=spec.repeats,
        swap=spec.swap,
    )
    if spec.swap is not None:
        _check_swap(spec.swap, judging.prompt, materials)
    return JudgeJob(judging, open_dataset(spec.dataset, materials, "table", *Holds))


def _params(spec: JudgeSpec, materials: Materials) -> dict[str, Any]:
    if spec.logprobs is None:
        return spec.params
    for name in ("logprobs", "top_logprobs"):
        if name in spec.params:
            raise InputError("the key logprobs says this already", file=materials.source, field=f"params.{name}")
    return {**spec.params, "logprobs": True, "top_logprobs": spec.logprobs}


def _check_swap(swap: tuple[str, str], prompt: Prompt, materials: Materials) -> None:
    for place, name in enumerate(swap):
        if name not in prompt.variables:
            what = f"the prompt has no variable {name!r}; it has: {', '.join(prompt.variables) or 'none'}"
            raise InputError(what, file=materials.source, field=f"swap[{place}]")
    if swap[0] == swap[1]:
        raise InputError("two variables are exchanged, this is one", file=materials.source, field="swap")


KIND = JobKind(
    JudgeSpec,
    build,
    "Any prompt of yours, asked about every row of a table",
    "judge",
    ("pairs_constructed.csv", "likeness.md"),
)
