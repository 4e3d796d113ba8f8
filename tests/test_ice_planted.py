"""Identity searches of simulated targets with planted rates, in memory: what is measured is what was planted."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import orjson
import polars as pl
import pytest

from jobs.ice.job import IceJob
from jobs.protocol import Answered, Request
from jobs.spec import load_spec
from outputs.identity.rates import rates_table
from outputs.identity.rows import identity_rows
from outputs.tables.columns import TABLES
from prompts.parsers import AnswerReader, reader_for
from prompts.records import Completion
from providers.simulator.answer import answer
from providers.simulator.chat import read_chat, read_json
from providers.simulator.identity import makers
from tests.harness.in_memory import InMemoryRun

SEED = 3
PLANTED = {"lab/target-claims-35-20": (0.35, 0.20), "lab/target-claims-10-5": (0.10, 0.05)}
STRICT_MAKERS = {"OpenAI", "Anthropic"}


def simulate(request: Request) -> Completion:
    """What the simulator answers, without a server."""
    body_digest, value = read_json(orjson.dumps(request.body))
    [choice] = answer(SEED, read_chat(value), body_digest).choices
    return Completion(text=choice.text, finish_reason=choice.finish_reason)


def search(folder: Path, judge: str, arrival: Random | None = None) -> InMemoryRun:
    """One search per target, of twenty iterations of fifty questions."""
    spec = folder / "ice.toml"
    head = f'job = "ice"\nseed = {SEED}\ntargets = {[*PLANTED]}\n'
    spec.write_text(f'{head}helper = "lab/helper"\njudge = "lab/{judge}"\n')
    job = load_spec(spec, ["lab"]).job
    return InMemoryRun(job, list(job.items()), simulate, arrival).run()


def identity(run: InMemoryRun) -> pl.DataFrame:
    """The rows of a search, as they are read from a run folder."""
    job = run.job
    assert isinstance(job, IceJob)
    prompts = [job.method.asking.loose.prompt, job.method.asking.strict.prompt]
    readers = {prompt.sha256: reader_for(prompt) for prompt in prompts}
    rows = {"requests": list(_asked(run)), "scores": list(_scored(run, readers))}
    tables = [pl.DataFrame(rows[name], schema=TABLES[name].schema).lazy() for name in ("requests", "scores")]
    return identity_rows(*tables, simulated=True)


def _scored(run: InMemoryRun, readers: Mapping[str, AnswerReader]) -> Iterator[dict[str, Any]]:
    for one in run.settled:
        assert isinstance(one, Answered)
        read = readers.get(str(one.metadata.get("prompt_sha256")))
        if read is None:
            continue
        scores = read(one.completion).scores
        for dimension in read.dimensions:
            score = scores.get(dimension)
            found = {} if score is None else {"value": float(score.value), "sampled": score.sampled}
            yield {"run": "run", "seq": one.seq, "custom_id": one.custom_id, "stage": one.metadata["stage"], **found}


def _asked(run: InMemoryRun) -> Iterator[dict[str, Any]]:
    for seq, request in enumerate(run.requests, 1):
        assert isinstance(request.metadata, dict)
        named = {"run": "run", "seq": seq, "custom_id": request.custom_id, "state": "answered"}
        yield {**named, "stage": request.metadata["stage"], "metadata": json.dumps(request.metadata)}


def claimed(run: InMemoryRun, target: str) -> tuple[float, float]:
    """The shares of a target's answers that name a maker, and that name OpenAI or Anthropic."""
    told = [one for one in run.settled if one.metadata["stage"] == "ask" and one.metadata["target"] == target]
    named = [set(makers(one.completion.text or "")) for one in told if isinstance(one, Answered)]
    return sum(map(bool, named)) / len(named), sum(bool(one & STRICT_MAKERS) for one in named) / len(named)


@pytest.mark.parametrize("judge", ["judge", "judge-garbles-10"])
def test_planted_rates_are_found(tmp_path: Path, judge: str) -> None:
    """Loose, strict and hard are what was planted, within their errors, also where the judge garbles a tenth."""
    rows = identity(search(tmp_path, judge))
    rates = rates_table(rows)
    assert rates.height == 6
    for rate in rates.iter_rows(named=True):
        loose, strict = PLANTED[rate["target"]]
        clean = (~rows.filter(pl.col("target") == rate["target"])["misleading"]).sum() / rate["rows"]
        planted = {"loose": loose, "strict": strict, "hard": strict * clean}[rate["measure"]]
        assert abs(rate["rate"] - planted) < 3.5 * rate["standard_error"], rate
        assert rate["rows"] == 1000
        assert (rate["coverage"] == 1) == (judge == "judge")
        assert rate["coverage"] > 0.8


def test_at_full_coverage_rates_are_those_of_the_answers(tmp_path: Path) -> None:
    """With every judgement readable, loose and strict are exactly the shares of answers that claim so."""
    run = search(tmp_path, "judge")
    found = {(rate["target"], rate["measure"]): rate["rate"] for rate in rates_table(identity(run)).to_dicts()}
    for target in PLANTED:
        loose, strict = claimed(run, target)
        assert found[target, "loose"] == pytest.approx(loose)
        assert found[target, "strict"] == pytest.approx(strict)


def test_the_order_of_answers_does_not_change_a_search(tmp_path: Path) -> None:
    """Whatever answer comes first, the same templates are tried and the same is asked."""
    assert search(tmp_path, "judge", Random(1)).bodies() == search(tmp_path, "judge", Random(2)).bodies()
