"""ICE: identity consistency evaluation. Does a model, asked in many guises who made it, contradict its maker's facts.

For each target, a search over templates finds guises under which it does (`search`, `tree`). Every answer is judged
against the target's fact (loose); those in conflict with it are judged again, for a claim to be another's (strict).
Source of the method: Lee et al., ACL 2025, long.248, arXiv 2501.12619. It is for models that one may test, and asks
about nothing but their identity.

The searches run side by side and know nothing of each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from jobs.ice.kept import items_of, read_back
from jobs.ice.operators import STAGE as MUTATE
from jobs.ice.rows import ASK, LOOSE, STRICT, Place
from jobs.ice.search import Method, Search
from jobs.ice.spec import IceSpec, WordsReader, make_method
from jobs.ice.words import Fact, Words
from jobs.materials import Materials
from jobs.models import ModelName, bare_name, read_models
from jobs.protocol import Answered, Expected, Failed, Request, RunReader, Verdict
from jobs.registry import JobKind
from outputs.items import Item

NAME = "ice"
_ANSWER = "word " * 120  # as long as answers about identity usually are
_CONFLICTS = 3  # one answer in so many is taken to need the second judgement


@dataclass(slots=True)
class IceJob:
    """`trees` searches for each target, of `queries` questions each and `iterations` at most."""

    targets: tuple[ModelName, ...]
    method: Method
    read_words: Callable[[], tuple[Words, dict[str, Fact]]]
    trees: int
    queries: int
    iterations: int | None = None
    name: str = NAME
    follows_up: bool = True
    _searches: dict[tuple[str, int], Search] = field(default_factory=dict)

    def items(self) -> Iterator[Item]:
        """The questions, the seeds, and the fact of each target. Raises InputError."""
        return items_of(*self.read_words())

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """The first mutation of each search. Raises InputError for words that a prompt cannot be rendered with."""
        words, facts = read_back(items)
        self._check_prompts(words, facts)
        most = self._most(words)
        self._searches = {
            (str(target), tree): Search(self.method, target, tree, facts[str(target)], words, most)
            for target in self.targets
            for tree in range(1, self.trees + 1)
        }
        for search in self._searches.values():
            yield from search.begin()

    def expected(self, items: Iterable[Item]) -> Iterator[Expected]:
        """The mutations, questions and judgements that follow, where no search ends before its time."""
        words, facts = read_back(items)
        searches, most = len(self.targets) * self.trees, self._most(words)
        asked = searches * most * len(words.questions)
        question = sorted(words.questions, key=lambda one: len(one.text))[len(words.questions) // 2]
        template = sorted((seed.template for seed in words.seeds), key=len)[len(words.seeds) // 2]
        asking, places = self.method.asking, [Place(target, 1, 0) for target in self.targets]
        mutation = self.method.mutating.request("rephrase", template, None, "any", places[0].parts, {})
        yield Expected(stage=MUTATE, rows=searches * (most - 1), request=mutation)
        for place in places:
            request = asking.ask(place, template, question, {})
            yield Expected(stage=ASK, rows=asked // len(places), request=request)
        for stage, rows in ((LOOSE, asked), (STRICT, asked // _CONFLICTS)):
            fact = facts[str(places[0].target)]
            (request,) = asking.judge_answer(stage, places[0], question, fact, _ANSWER, {})
            yield Expected(stage=stage, rows=rows, request=request)

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the run before it starts, in plain sentences."""
        judge = self.method.asking.judge
        return tuple(
            f"{judge} judges answers of its own: it may be lenient, and these judgements are marked self_preference"
            for target in self.targets
            if bare_name(target.model) == bare_name(judge.model)
        )

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:
        """A verdict on the judge's answers, and what follows in the search.

        There is none on the helper's, for a mutation that cannot be read spoils nothing.
        """
        told = settled.metadata
        return [*self._verdict(settled), *self._searches[told["target"], told["tree"]].settled(settled, run)]

    def _verdict(self, settled: Answered | Failed) -> Iterator[Verdict]:
        stage = settled.metadata["stage"]
        if isinstance(settled, Answered) and stage in (LOOSE, STRICT):
            yield self.method.asking.judging(stage).verdict(settled)

    def _check_prompts(self, words: Words, facts: Mapping[str, Fact]) -> None:
        for seed in words.seeds:
            self.method.mutating.check(seed)
        for question, fact in product(words.questions, set(facts.values())):
            self.method.asking.check(question, fact, _ANSWER)

    def _most(self, words: Words) -> int:
        """Iterations of a search: none is begun that would pass its queries."""
        most = self.queries // len(words.questions)
        return most if self.iterations is None else min(most, self.iterations)


def build(spec: IceSpec, materials: Materials) -> IceJob:
    """The job of a spec. Raises InputError."""
    targets = read_models(spec.targets, materials.providers, materials.source, "targets")
    method = make_method(spec, materials)
    read_words = WordsReader(spec, materials, targets)
    return IceJob(targets, method, read_words, spec.trees, spec.queries, spec.iterations)


KIND = JobKind(
    IceSpec,
    build,
    "ICE: identity-probing questions in searched-for templates, judged against the facts of a model's maker",
    "ice",
)
