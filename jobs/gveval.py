"""G-VEval: a judge rates captions, and each score is an expectation over the judge's own token probabilities.

One request per item, with log probabilities asked for. Source of the method: Tong et al., AAAI 2025, arXiv 2412.13647.
What the scores mean is read from the raw answers later, by the parser that the prompt's header names.

For a judge that gives no log probabilities, and only where the spec says so, `samples` requests per item take their
place: their mean estimates the same expectation, more coarsely. Each row says that it is one of so many samples.

A judge sees the references (ref-only), the picture or clip (ref-free), or both (combined); in ref-only no picture is
ever sent, whatever the dataset has. The words come first and the picture after them, so that a judge knows what to look
for. Pictures are graded by one score, clips by four: the shipped prompts' choice, not the job's. `average` of a single
score is that score, so that it can be set beside a rating that is an average.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from jobs.bodies import chat_body, check_params, prompt_metadata, user, with_params
from jobs.custom_ids import custom_id
from jobs.datasets import Holds, open_dataset
from jobs.filling import render
from jobs.materials import Materials
from jobs.models import ModelName, read_model
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import DatasetSpec, JobKind, JobSpec
from jobs.showing import DETAILS, LAYOUTS, MOST_FRAMES, Medium, Showing
from outputs.items import Item
from prompts.input_error import InputError
from prompts.parsers import AnswerReader, reader_for
from prompts.template import Prompt

NAME = "gveval"
REF_ONLY, REF_FREE, COMBINED = MODES = ("ref-only", "ref-free", "combined")
PROMPTS = {  # what a spec without a prompt asks
    (REF_ONLY, Medium.PICTURE): "gveval_ref_only",
    (REF_ONLY, Medium.CLIP): "gveval_ref_only_accr",
    (REF_FREE, Medium.PICTURE): "gveval_ref_free",
    (REF_FREE, Medium.CLIP): "gveval_ref_free_accr",
    (COMBINED, Medium.PICTURE): "gveval_combined",
    (COMBINED, Medium.CLIP): "gveval_combined_accr",
}
USUAL_READER = "msvd-eval"
_SAMPLED = "with samples no log probabilities are asked for: take one of the two"


class GVEvalSpec(JobSpec, frozen=True, kw_only=True):
    """The spec of a G-VEval run.

    `medium` (picture or clip), `detail`, `frames` and `layout` are for the modes that show one; a prompt that is not
    given is the shipped one for mode and medium: one score for pictures, four for clips. `top_logprobs` are 20 where
    neither it nor `samples` is given. The requests of `samples` are equal but for their ids and the `repeat` in their
    metadata, so that each is bought even where equal requests are bought once (`--dedupe`).
    """

    model: str
    dataset: DatasetSpec
    mode: str = REF_ONLY
    prompt: str = ""
    medium: str | None = None
    detail: str | None = None
    frames: int | None = None
    layout: str | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=5, le=20)] | None = None
    samples: Annotated[int, msgspec.Meta(ge=2, le=100)] | None = None

    def __post_init__(self) -> None:
        if not self.prompt:
            # In mode ref-only nobody says what the media are, but whoever rated MSVD-Eval rated four qualities.
            of_clips = self.medium == Medium.CLIP or (
                self.medium is None and self.dataset.reader in (None, USUAL_READER)
            )
            mode = self.mode if self.mode in MODES else REF_ONLY  # one that is refused later
            # The record is frozen for all but its making.
            msgspec.structs.force_setattr(self, "prompt", PROMPTS[mode, Medium.CLIP if of_clips else Medium.PICTURE])

    def media_dataset(self) -> DatasetSpec:
        return self.dataset


@dataclass(slots=True)
class GVEvalJob:
    """Asks `model` to rate every item, once or `samples` times. `options` are the keys of the body beside `model` and
    `messages`.

    `showing` is None where no picture is sent; else the items' files lie under `media_root`.
    """

    prompt: Prompt
    model: ModelName
    options: dict[str, Any]
    read_answer: AnswerReader
    read_items: Callable[[], Iterator[Item]]
    showing: Showing | None = None
    media_root: Path = Path()
    samples: int | None = None
    name: str = NAME
    follows_up: bool = True  # with verdicts

    def items(self) -> Iterator[Item]:
        """The items of the dataset, with the digests of what is shown. Raises InputError."""
        items = self.read_items()
        return items if self.showing is None else self.showing.with_digests(items, self.media_root)

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """The requests for each item, in the items' order."""
        for item in items:
            body = chat_body(self.model.model, [user(self._content(item))], self.options)
            if self.samples is None:
                yield self._request(item, body)
            for repeat in range(self.samples or 0):
                yield self._request(item, body, repeat, repeat=repeat, samples=self.samples)

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:  # noqa: ARG002
        return iter(())

    def notes(self) -> tuple[str, ...]:
        return ()

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:  # noqa: ARG002
        """The verdict on an answer; nothing follows from a failure."""
        if isinstance(settled, Failed):
            return ()
        return (Verdict(settled.custom_id, self.read_answer(settled.completion).outcome),)

    def _request(self, item: Item, body: dict[str, Any], *part: int, **metadata: Any) -> Request:
        asked_with = prompt_metadata(self.prompt)
        return Request(
            custom_id=custom_id(NAME, item.item, item.item, self.model.model, asked_with["prompt"], *part),
            body=body,
            provider=self.model.provider,
            metadata={"item": item.item, "stage": "judge", **metadata, **asked_with},
        )

    def _content(self, item: Item) -> str | list[dict[str, Any]]:
        known: dict[str, Any] = {"references": item.references, "candidate": item.candidate}
        if self.showing is not None:
            known |= {"frames": self.showing.frames, "layout": self.showing.layout}
        words = render(self.prompt, f"item {item.item!r}", known)
        return words if self.showing is None else [{"type": "text", "text": words}, self.showing.part(item)]


def build(spec: GVEvalSpec, materials: Materials) -> GVEvalJob:
    """The job of a spec. Raises InputError for a mode, a prompt or parameters that it cannot keep its promise with."""
    source = materials.source
    _among(spec.mode, MODES, "mode", source)
    showing = _showing(spec, source)
    model = read_model(spec.model, materials.providers, source)
    prompt = materials.prompt(spec.prompt)
    _check_variables(prompt, spec.mode, showing)
    options, read = _options(spec, materials), reader_for(prompt)
    if not read.dimensions:
        raise InputError(f"{prompt.parser!r} reads no scores", file=prompt.source, field="parser")
    read_items = open_dataset(spec.dataset, materials, USUAL_READER, Holds.CAPTIONS)
    root = materials.media_root or materials.file(spec.dataset.path, "dataset.path").parent
    return GVEvalJob(prompt, model, options, read, read_items, showing, root, spec.samples)


def _showing(spec: GVEvalSpec, source: Path | str) -> Showing | None:
    """How pictures or clips are shown; None where the mode shows none. Raises InputError for keys out of place."""
    keys: dict[str, Any] = {name: getattr(spec, name) for name in ("medium", "detail", "frames", "layout")}
    if spec.mode == REF_ONLY:
        _refuse_keys(
            keys, f"in mode {REF_ONLY} no picture is shown; modes that show one: {REF_FREE}, {COMBINED}", source
        )
        return None
    if spec.medium is None:
        raise InputError("is missing: say what the dataset's media are, picture or clip", file=source, field="medium")
    _among(spec.medium, [*Medium], "medium", source)
    medium = Medium(spec.medium)
    if medium is Medium.PICTURE:
        _refuse_keys({name: keys[name] for name in ("frames", "layout")}, "is for clips only", source)
    if spec.frames is not None and not 1 <= spec.frames <= MOST_FRAMES:
        raise InputError(f"a whole number from 1 to {MOST_FRAMES}", file=source, field="frames")
    # What the method's authors send: a picture at low detail, a clip as one picture of three frames at high detail.
    usual = {"detail": "low" if medium is Medium.PICTURE else "high", "frames": 3, "layout": "strip"}
    chosen = usual | {name: keys[name] for name in usual if keys[name] is not None}
    _among(chosen["detail"], DETAILS, "detail", source)
    _among(chosen["layout"], LAYOUTS, "layout", source)
    return Showing(medium, **chosen)


def _refuse_keys(keys: dict[str, Any], why: str, source: Path | str) -> None:
    for name, value in keys.items():
        if value is not None:
            raise InputError(why, file=source, field=name)


def _among(value: str, known: Collection[str], field: str, source: Path | str) -> None:
    if value not in known:
        raise InputError(f"{value!r} is not there; there is: {', '.join(known)}", file=source, field=field)


def _check_variables(prompt: Prompt, mode: str, showing: Showing | None) -> None:
    """Raise InputError for a prompt that lacks what the mode is about, or that wants what the job has not."""
    needed = ["candidate"] if mode == REF_FREE else ["references", "candidate"]
    clip = showing is not None and showing.medium is Medium.CLIP
    known = [*needed, *(("frames", "layout") if clip else ())]
    if not set(needed) <= set(prompt.variables) <= set(known):
        allowed = f"{' and '.join(needed)} in any case{', frames and layout where wanted' if clip else ''}"
        what = f"prompts for mode {mode} have the variables {allowed}"
        raise InputError(what, file=prompt.source, field="variables")


def _options(spec: GVEvalSpec, materials: Materials) -> dict[str, Any]:
    if spec.samples is not None and spec.top_logprobs is not None:
        raise InputError(_SAMPLED, file=materials.source, field="top_logprobs")
    check_params(spec.params, materials.source)
    listed = {} if spec.samples is not None else {"logprobs": True, "top_logprobs": spec.top_logprobs or 20}
    options = with_params({"temperature": 1, **listed, "max_tokens": 800}, spec.params)
    fault = _fault(spec, options)
    if fault is not None:
        raise InputError(fault[1], file=materials.source, field=f"params.{fault[0]}")
    return options


def _fault(spec: GVEvalSpec, options: dict[str, Any]) -> tuple[str, str] | None:
    """(key, what is wrong with it) of parameters under which there would be no expectation to take."""
    if spec.samples is not None:
        return next(((name, _SAMPLED) for name in ("logprobs", "top_logprobs") if name in options), None)
    if options["logprobs"] is not True:
        return "logprobs", "must be on: the score is an expectation over them; without them there is samples = 2 to 100"
    if type(options["top_logprobs"]) is not int or not 5 <= options["top_logprobs"] <= 20:
        return "top_logprobs", "a whole number from 5 to 20"
    return None


KIND = JobKind(
    GVEvalSpec,
    build,
    "G-VEval: a judge rates captions of pictures or clips, as an expectation over its log probabilities",
    "gveval_ref_only",
    ("captions_constructed.json",),
)
