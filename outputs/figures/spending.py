"""What runs spent: sums over answers and attempts, of which none is held in memory."""

from typing import Any

import polars as pl

from outputs.browsing.attempts import maybe_billed
from outputs.tables.loading import LoadedRun
from providers.wire import Billing

LANE = ["provider", "model"]
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


def _answers() -> dict[str, pl.Expr]:
    """Sums over rows of the table `responses`: all answers that were ever paid, also those that count no more."""
    return {
        "answers": pl.len(),
        "answers_usd": pl.col("cost_usd").sum(),
        "unpriced": pl.col("cost_usd").null_count(),
        "by_batch": pl.col("batch").count(),
        "duplicates": pl.col("duplicate_of").count(),
        "untold": (pl.col("input_tokens").is_null() & pl.col("duplicate_of").is_null()).sum(),
        **{name: pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()) for name in _TOKENS},  # else nobody told
    }


def _attempts() -> dict[str, pl.Expr]:
    """Sums over rows of the table `attempts`."""
    maybe, billed = maybe_billed(), pl.col("settled") == Billing.BILLED.value
    return {
        "attempts": pl.len(),
        "maybe": maybe.sum(),
        "unsettled": pl.col("settled").null_count(),
        "maybe_usd": pl.col("reserved_usd").filter(maybe).sum(),
        "maybe_unpriced": pl.col("reserved_usd").filter(maybe).null_count(),
        "billed_unanswered": billed.sum(),
        "billed_usd": pl.col("cost_usd").filter(billed).sum(),
    }


def totals(run: LoadedRun) -> dict[str, Any]:
    """What a run spent in all, in USD: settled, and at most where nobody knows."""
    answers = run.scan("responses").select(**_answers()).collect(engine="streaming").row(0, named=True)
    attempts = run.scan("attempts").select(**_attempts()).collect(engine="streaming").row(0, named=True)
    return _settled(pl.DataFrame([{**answers, **attempts}])).row(0, named=True)


def by_lane(run: LoadedRun) -> pl.DataFrame:
    """The same for each lane of a run, the dearest first; `lane` is provider/model."""
    answers = run.scan("responses").group_by(LANE).agg(**_answers())
    attempts = run.scan("attempts").group_by(LANE).agg(**_attempts())
    joined = answers.join(attempts, on=LANE, how="full", coalesce=True).collect(engine="streaming")
    filled = joined.with_columns(pl.exclude(*LANE, *_TOKENS).fill_null(0))
    lanes = _settled(filled).sort(["settled_usd", *LANE], descending=[True, False, False])
    return lanes.select(
        pl.lit(run.name).alias("run"), pl.concat_str(LANE, separator="/").alias("lane"), pl.exclude(LANE)
    )


def unsettled_words(unsettled: int) -> str:
    """What is to be known of attempts of which the log does not say how they ended; nothing where there are none."""
    return f"Unsettled attempts (under way, or cut off) count as maybe billed: {unsettled:,}." if unsettled else ""


def _settled(sums: pl.DataFrame) -> pl.DataFrame:
    """With `settled_usd`; nothing is known of it, and of what may have been billed, where no price is."""
    no_answer_priced = (pl.col("answers") > 0) & (pl.col("unpriced") == pl.col("answers")) & (pl.col("billed_usd") == 0)
    no_maybe_priced = (pl.col("maybe") > 0) & (pl.col("maybe_unpriced") == pl.col("maybe"))
    return sums.with_columns(
        settled_usd=pl.when(~no_answer_priced).then(pl.col("answers_usd") + pl.col("billed_usd")),
        maybe_usd=pl.when(~no_maybe_priced).then("maybe_usd"),
    )
