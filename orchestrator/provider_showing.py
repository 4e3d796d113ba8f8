"""How a call to a provider went, as a person reads it and as JSON."""

from typing import Any

import msgspec
from rich.console import Console

from orchestrator.amounts import dollars
from orchestrator.provider_check import Checked, failure_lines
from prompts.plain_text import plain_text
from providers.prices import price_line
from providers.rate_headers import Reading


def show_checked(checked: Checked) -> None:
    """A head line, and a line for each thing that is known."""
    console = Console()
    for line in _lines(checked):
        console.print(plain_text(line), markup=False, highlight=False, soft_wrap=True)


def checked_json(checked: Checked) -> dict[str, Any]:
    """For `--json`."""
    return {"ok": checked.failure is None, **msgspec.to_builtins(checked)}


def _lines(checked: Checked) -> list[str]:
    label = "SIMULATED: " if checked.simulated else ""
    status = "" if checked.status is None else f" (HTTP {checked.status})"
    how = "answered" if checked.failure is None else "no answer"
    head = f"{label}{checked.provider}/{checked.model}: {how} in {checked.latency_s:.2f} s{status}"
    told = "; ".join(map(_limit, checked.limits)) or "none told"
    rest = _answer_lines(checked) if checked.failure is None else list(failure_lines(checked.failure))
    return [head, *rest, *([] if checked.status is None else [f"limits: {told}"])]


def _answer_lines(checked: Checked) -> list[str]:
    said = "nothing" if checked.text is None else repr(checked.text)
    lines = [f"said: {said}; finish reason: {checked.finish_reason}; model: {checked.answered_by}"]
    if checked.usage is None:
        return [*lines, "usage: not told, so that its cost is unknown"]
    usage = checked.usage
    details = {"cached": usage.cached_tokens, "written to a cache": usage.cache_write_tokens}
    details["reasoning"] = usage.reasoning_tokens
    also = "".join(f", {count:,} {what}" for what, count in details.items() if count)
    lines.append(f"usage: {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out{also}")
    if checked.cost_usd is None:
        lines.append(f"cost: unpriced; add to overnight.toml: {price_line(checked.provider, checked.model)}")
    else:
        lines.append(f"cost: {dollars(checked.cost_usd)}")
    return lines


def _limit(reading: Reading) -> str:
    window = "" if reading.window_s is None else f" in {reading.window_s:g} s"
    left = "" if reading.remaining is None else f", {reading.remaining:,g} left"
    reset = "" if reading.reset_s is None else f", full again in {reading.reset_s:g} s"
    return f"{reading.limit:,g} {reading.resource.value.replace('_', ' ')}{window}{left}{reset}"
