"""The spec of an ICE run, and the parts of the job that it describes."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from jobs.bodies import check_params, with_params
from jobs.ice.operators import OPERATORS, make_mutating
from jobs.ice.rows import FACT_VARIABLES, LOOSE, STRICT, USUAL, VARIABLES, Asking
from jobs.ice.search import Method
from jobs.ice.tree import GPTFUZZ, POLICIES, Rules
from jobs.ice.words import Fact, FactSpec, Words, check_facts, choose, find_fact, read_facts, read_questions, read_seeds
from jobs.judging import Judging, make_judging
from jobs.materials import Materials
from jobs.models import ModelName, read_model
from jobs.registry import JobSpec
from prompts.input_error import InputError
from prompts.toml_text import near_miss

MOST_TREES = 1000
_SHIPPED = Path(__file__).parent
_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class PromptNames(msgspec.Struct, frozen=True, kw_only=True):
    """`[prompts]`: the prompts of the two judgements and of the five operators."""

    loose: str = "ice_loose"
    strict: str = "ice_strict"
    crossover: str = "ice_crossover"
    expand: str = "ice_expand"
    generate_similar: str = "ice_generate_similar"
    shorten: str = "ice_shorten"
    rephrase: str = "ice_rephrase"


class IceSpec(JobSpec, frozen=True, kw_only=True):
    """The spec of an ICE run.

    A search has `queries` questions and `iterations` at most, and begins no iteration after its `conflicts`th loose
    conflict; each target has `trees` searches. `fields` and `languages` choose among the questions. `questions`,
    `seeds` and `facts` are paths of own files in place of the shipped ones; or `facts` has facts, which go before the
    shipped ones. `exploration`, `alpha` and `beta` are those of the search tree. `misleading_words` are looked for in
    each template, whatever their case.
    """

    targets: tuple[str, ...]
    helper: str
    judge: str
    policy: str = GPTFUZZ
    trees: Annotated[int, msgspec.Meta(ge=1, le=MOST_TREES)] = 1
    queries: _AtLeastOne = 1000
    iterations: _AtLeastOne | None = None
    conflicts: _AtLeastOne | None = None
    fields: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    questions: str = ""
    seeds: str = ""
    facts: str | tuple[FactSpec, ...] = ""
    prompts: PromptNames = PromptNames()
    misleading_words: tuple[str, ...] = ("openai", "gpt")
    helper_params: dict[str, Any] = msgspec.field(default_factory=dict)
    judge_params: dict[str, Any] = msgspec.field(default_factory=dict)
    exploration: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.5
    alpha: _Share = 0.1
    beta: _Share = 0.2


def make_method(spec: IceSpec, materials: Materials) -> Method:
    """What the searches of a spec share. Raises InputError."""
    if spec.policy not in POLICIES:
        what = f"unknown policy {spec.policy!r}{near_miss(spec.policy, POLICIES)}"
        raise InputError(what, file=materials.source, field="policy")
    rules = Rules(spec.policy, spec.exploration, spec.alpha, spec.beta)
    prompts = {name: getattr(spec.prompts, name) for name in OPERATORS}
    mutating = make_mutating(spec.helper, prompts, spec.helper_params, materials)
    return Method(spec.seed, rules, mutating, _asking(spec, materials), spec.conflicts)


class WordsReader:
    """Reads the words and facts that a spec names, or the shipped ones; whether files are there is seen at once."""

    def __init__(self, spec: IceSpec, materials: Materials, targets: tuple[ModelName, ...]) -> None:
        self._spec, self._materials, self._targets = spec, materials, targets
        self._questions = self._file(spec.questions, "questions")
        self._seeds = self._file(spec.seeds, "seeds")
        self._own = () if isinstance(spec.facts, str) else spec.facts
        self._facts = self._file(spec.facts if isinstance(spec.facts, str) else "", "facts")
        check_facts(self._own, materials.source)

    def __call__(self) -> tuple[Words, dict[str, Fact]]:
        """The words, and the fact of each target by its name. Raises InputError."""
        self._materials.require_files()
        spec, source = self._spec, self._materials.source
        questions = read_questions(self._questions)
        questions = choose(questions, "field", spec.fields, source, "fields")
        questions = choose(questions, "language", spec.languages, source, "languages")[: self._materials.first]
        if not questions:
            raise InputError("no question is in these languages and of these fields", file=source, field="languages")
        if len(questions) > spec.queries:
            what = f"an iteration asks {len(questions)} questions: fewer queries than that allow none"
            raise InputError(what, file=source, field="queries")
        return Words(questions, read_seeds(self._seeds)), self._read_facts()

    def _read_facts(self) -> dict[str, Fact]:
        known = (*self._own, *read_facts(self._facts))
        found = {}
        for place, target in enumerate(self._targets):
            fact = find_fact(target, known)
            if fact is None:
                what = f"{self._facts} has no fact that matches {target}: add one there, or as [[facts]] here"
                raise InputError(what, file=self._materials.source, field=f"targets[{place}]")
            found[str(target)] = fact
        return found

    def _file(self, name: str, key: str) -> Path:
        if name:
            return self._materials.file(name, key)
        return _SHIPPED / f"{key}.{'toml' if key == 'facts' else 'jsonl'}"


def _asking(spec: IceSpec, materials: Materials) -> Asking:
    source = materials.source
    check_params(spec.params, source)
    for place, word in enumerate(spec.misleading_words):
        if not word.strip():
            raise InputError("is empty", file=source, field=f"misleading_words[{place}]")
    read_model(spec.judge, materials.providers, source, "judge")
    loose, strict = (_judging(stage, spec, materials) for stage in (LOOSE, STRICT))
    return Asking(loose, strict, spec.misleading_words, with_params(USUAL, spec.params))


def _judging(stage: str, spec: IceSpec, materials: Materials) -> Judging:
    judging = make_judging(
        materials,
        judges=[spec.judge],
        prompt=getattr(spec.prompts, stage),
        variables=VARIABLES,
        params=spec.judge_params,
        stage=stage,
        keys={"judges": "judge", "prompt": f"prompts.{stage}", "params": "judge_params"},
    )
    prompt = judging.prompt
    if not {"answer", *(FACT_VARIABLES if stage == LOOSE else ())} <= set(prompt.variables):
        raise InputError("the judge must see the answer, and the fact", file=prompt.source, field="variables")
    if prompt.scale != (0, 1):
        raise InputError("a judgement is 0 or 1: scale = [0, 1]", file=prompt.source, field="scale")
    if len(prompt.dimensions) != 1:
        raise InputError("a judgement is one number: one label", file=prompt.source, field="dimensions")
    return judging
