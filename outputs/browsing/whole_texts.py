"""The texts of rows as they came, whatever their length: answers, refusals, failures."""

import polars as pl

from outputs.tables.loading import LoadedRun


def whole_texts(run: LoadedRun, requests: list[int]) -> dict[int, str]:
    """The whole answers, refusals or failures of these requests; those without any are not there."""
    answers = run.scan("responses").filter("counts", pl.col("request").is_in(requests))
    failures = run.scan("outcomes").filter(pl.col("request").is_in(requests))
    found = failures.select("request", "failure_message").collect(engine="streaming").iter_rows()
    told = answers.select("request", pl.coalesce("text", "refusal")).collect(engine="streaming").iter_rows()
    return {request: text for one in (found, told) for request, text in one if text is not None}
