"""What a run's metric is called: by its published name, with what the judge was shown."""

from typing import Any

from outputs.run_record import RunRecord
from prompts.template import parse_prompt
from prompts.toml_text import parse_toml

METRICS = {"gveval": "G-VEval"}  # by the run's job
_ACCR = ("accuracy", "completeness", "conciseness", "relevance")
_DEFAULT_MODE = "ref-only"
_DEFAULT_READER = "msvd-eval"


def metric_name(run: RunRecord) -> str:
    """The name with the spec's mode, and ACCR where the judge gave those four scores: `G-VEval ref-only ACCR`.

    A score that is no expectation but the mean of samples, as the spec may say, is told apart from it.
    """
    source = f"{run.name} (as recorded)"
    mode = _spec(run).get("mode", _DEFAULT_MODE)
    sampled = samples_of(run)
    labels = {label.lower() for prompt in run.prompts for label in parse_prompt(prompt.text, source).dimensions}
    return " ".join(
        (
            METRICS[run.job],
            str(mode),
            *(("ACCR",) if labels == set(_ACCR) else ()),
            *((f"(mean of {sampled} samples)",) if sampled else ()),
        )
    )


def samples_of(run: RunRecord) -> int | None:
    """How many samples of each judgement the run's spec chose in place of log probabilities; None where it did not."""
    samples = _spec(run).get("samples")
    return samples if isinstance(samples, int) else None


def reader_name(run: RunRecord) -> str:
    """What the run's spec says that its captions' dataset is read by; empty where it has none."""
    dataset = _spec(run).get("dataset")
    if isinstance(dataset, dict):
        return str(dataset.get("reader", _DEFAULT_READER))
    return ""


def _spec(run: RunRecord) -> dict[str, Any]:
    return parse_toml(run.spec_text or "", file=f"{run.name} (as recorded)")
