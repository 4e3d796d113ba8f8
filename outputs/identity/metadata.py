"""What the job said of a request: its metadata, JSON, into columns. Odd types become null or text, never a crash."""

import polars as pl

TEXTS = ("target", "question", "field", "language", "node", "parent", "seed", "operator", "slot", "template_sha256")
NUMBERS = ("tree", "iteration", "level")
DIGITS = 16  # of a template's digest that are looked at
PLACE = ("target", "tree", "iteration", "question")
_ALL = (*TEXTS, *NUMBERS)
_IMPORTED = ("conflict", "claim")
_FALSE = ("", "false", "null")


def told(requests: pl.DataFrame) -> pl.DataFrame:
    """The frame without its column `metadata`, with `TEXTS`, `NUMBERS` and `misleading`, `said_conflict`, `said_claim`.

    The last two are what an import has from elsewhere. All are null where they are not said.
    """
    try:
        found = _decoded(requests)
    except pl.exceptions.ComputeError:  # some value is no scalar where one is usual
        found = requests.with_columns(_searched(pl.col("metadata")))
    trees = [pl.col(name).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False) for name in NUMBERS]
    digest = pl.col("template_sha256").str.slice(0, DIGITS)
    return found.with_columns(*trees, digest, *(_truth(f"said_{name}") for name in _IMPORTED)).drop("metadata")


def _decoded(requests: pl.DataFrame) -> pl.DataFrame:
    """In one pass. Raises ComputeError for an object where a scalar is wanted."""
    inner = pl.Struct(dict.fromkeys(_IMPORTED, pl.String))
    kind = pl.Struct({**dict.fromkeys(_ALL, pl.String), "misleading": pl.List(pl.String), "imported": inner})
    found = requests.with_columns(pl.col("metadata").str.json_decode(kind).alias("told")).unnest("told")
    imported = (pl.col("imported").struct.field(name).alias(f"said_{name}") for name in _IMPORTED)
    return found.with_columns(_words(pl.col("misleading")), *imported).drop("imported")


def _words(listed: pl.Expr) -> pl.Expr:
    return listed.list.eval(~pl.element().fill_null("").is_in(_FALSE)).list.any()


def _searched(metadata: pl.Expr) -> list[pl.Expr]:
    """Value by value, whatever their types."""
    words = metadata.str.json_path_match("$.misleading").str.strip_chars()
    return [
        *(metadata.str.json_path_match(f"$.{name}").alias(name) for name in _ALL),
        (~words.is_in([*_FALSE, "[]"])).alias("misleading"),
        *(metadata.str.json_path_match(f"$.imported.{name}").alias(f"said_{name}") for name in _IMPORTED),
    ]


def _truth(name: str) -> pl.Expr:
    said = pl.col(name).str.to_lowercase()
    return pl.when(said.is_in(["true", "1"])).then(True).when(said.is_in(["false", "0"])).then(False).alias(name)
