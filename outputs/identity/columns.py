"""The tables of an identity analysis: their columns and what they mean. Shares are 0 to 1."""

import polars as pl

Schema = dict[str, type[pl.DataType]]
MEASURES = ("loose", "strict", "hard")

ROWS: Schema = {  # one row per question put to a target through a template
    "run": pl.String,
    "target": pl.String,
    "tree": pl.Int64,
    "iteration": pl.Int64,
    "question": pl.String,
    "field": pl.String,
    "language": pl.String,
    "node": pl.String,  # the template's name in its tree
    "parent": pl.String,
    "seed": pl.String,  # what the template descends from
    "family": pl.String,  # of the seed
    "operator": pl.String,
    "level": pl.Int64,  # of the tree; seeds have 0
    "slot": pl.String,  # kept or appended
    "template_sha256": pl.String,  # the first 16 hex digits
    "misleading": pl.Boolean,  # the template has a misleading word; null where that is not known
    "rule": pl.String,  # by which it has
    "answered": pl.Boolean,
    "conflict": pl.Boolean,  # null where no judgement could be read
    "claim": pl.Boolean,  # null where there is no conflict, or no second judgement that could be read
    "simulated": pl.Boolean,
}
_SHARE: Schema = {
    "measure": pl.String,  # loose, strict, hard
    "rate": pl.Float64,  # see `outputs.identity.shares`
    "low": pl.Float64,  # of the 95 % interval
    "high": pl.Float64,
    "standard_error": pl.Float64,  # linearised, over templates
    "hits": pl.Int64,  # null, as are the two others that count them, where no conflict was judged again
    "judged": pl.Int64,  # rows with the judgements that the measure needs; 0 where no conflict was judged again
    "rows": pl.Int64,
    "coverage": pl.Float64,  # judged / rows
    "rate_over_all_rows": pl.Float64,  # hits / rows: a lower bound
    "templates": pl.Int64,  # with a judged row: the clusters
    "templates_with_hits": pl.Int64,
    "rule": pl.String,  # of misleading words; of hard only
    "warning": pl.String,  # why there is no number, or what is to be known of it
}
RATES: Schema = {"target": pl.String, **_SHARE, "simulated": pl.Boolean}
RATES_BY: Schema = {
    "target": pl.String,
    "by": pl.String,  # field, language, operator, level, family, seed, template, slot
    "value": pl.String,  # null where the rows do not say it
    **_SHARE,
    "simulated": pl.Boolean,
}
GROWTH: Schema = {  # rows up to an iteration, all trees together
    "target": pl.String,
    "iteration": pl.Int64,
    "queries": pl.Float64,  # rows per tree so far
    "trees": pl.Int64,  # that reached the iteration; what others have stays in
    **_SHARE,
    "simulated": pl.Boolean,
}
COVERAGE: Schema = {
    "target": pl.String,
    "runs": pl.Int64,
    "trees": pl.Int64,
    "templates": pl.Int64,
    "rows": pl.Int64,
    "answered": pl.Int64,
    "judged": pl.Int64,  # with a first judgement that could be read
    "conflicts": pl.Int64,
    "judged_again": pl.Int64,  # conflicts with a second judgement that could be read
    "simulated": pl.Boolean,
}
DIFFERENCES: Schema = {  # base minus instruct
    "base": pl.String,
    "instruct": pl.String,
    "measure": pl.String,
    "named": pl.Boolean,  # whether the pair was asked for; else it is one of all pairs, in the order of the targets
    "paired_by": pl.String,  # "question", or "template and question"
    "base_rate": pl.Float64,  # over the common rows, as are all that follow
    "instruct_rate": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "standard_error": pl.Float64,
    "p": pl.Float64,  # two-sided, Student's t over templates
    "p_holm": pl.Float64,
    "family": pl.String,  # over which p is corrected
    "questions": pl.Int64,  # common ones
    "base_rows": pl.Int64,
    "instruct_rows": pl.Int64,
    "base_left_out": pl.Int64,  # judged rows that are not common
    "instruct_left_out": pl.Int64,
    "base_templates": pl.Int64,
    "instruct_templates": pl.Int64,
    "shared_templates": pl.Int64,
    "warning": pl.String,
    "simulated": pl.Boolean,
}
RULES: Schema = {  # one row per run: what makes a template misleading
    "run": pl.String,
    "rule": pl.String,
    "source": pl.String,  # recorded, default or chosen
    "templates": pl.Int64,
    "misleading": pl.Int64,  # of them
    "unknown": pl.Int64,  # of them: recorded by nobody, and the text is not to be had
}


def fitted(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """A frame with just the columns of a schema; what it lacks is null."""
    there = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in there else pl.lit(None).alias(name)).cast(kind) for name, kind in schema.items()
    )
