"""What a person may choose of an analysis; the defaults are what a report is made with where nothing is said."""

from dataclasses import dataclass

RESAMPLES = 2000
MOST_RESAMPLES = 100_000
TEXTS = 200
EMBEDDINGS = "tfidf"
KNOWN_EMBEDDINGS = (EMBEDDINGS, "minilm", "none")


@dataclass(frozen=True, slots=True)
class Options:
    """`seed` fixes every random draw, so that the same folders give the same numbers.

    `include_sampled` takes scores that are no expectation over log probabilities into the correlations of captions.
    `protocols` names how ratings and scores are paired; empty: what the dataset's field does. `misleading` are the
    words that keep a template's rows out of ICE's hard measure; None: as the run recorded. `pairs` are (base,
    instruct) models of ICE to compare. `texts` bounds the prompts per dataset whose answers are compared word by word;
    0 leaves the judge-free similarities out. `embeddings` names how answers are embedded.
    """

    resamples: int = RESAMPLES
    seed: int = 0
    include_sampled: bool = False
    protocols: tuple[str, ...] = ()
    misleading: tuple[str, ...] | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    texts: int = TEXTS
    embeddings: str = EMBEDDINGS
