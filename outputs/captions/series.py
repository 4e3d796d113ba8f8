"""A metric's scores of a dataset's captions as numbers in the items' order, and what is missing of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.captions.metric_scores import ABSENT, NOT_ASKED
from outputs.captions.points import AVERAGE
from outputs.statistics.resampling import Floats

OVERALL = "overall"
_KEY = ("metric", "judge", "source", "dimension")


@dataclass(frozen=True, slots=True)
class Series:
    """`values` (items,): NaN where there is none that counts; `ok` and `asked` (items,): whether there is any value,
    and whether it was tried for. `reason` says why there is none at all, where one thing does.
    """

    metric: str
    judge: str | None
    source: str
    dimension: str
    simulated: bool
    values: Floats
    ok: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    reason: str | None

    @property
    def used(self) -> NDArray[np.bool_]:
        """The items that have a value that counts."""
        return np.asarray(~np.isnan(self.values))


def series_of(scores: pl.DataFrame, items: Sequence[str]) -> list[Series]:
    """The series of a table of one dataset (`outputs.captions.metric_scores`), whose items' order is `items`."""
    place = {name: at for at, name in enumerate(items)}
    found = []
    for (metric, judge, source, dimension), rows in scores.group_by(*_KEY, maintain_order=True):
        at = np.array([place[name] for name in rows["item"]], dtype=np.int64)
        values, ok, asked = np.full(len(items), np.nan), np.zeros(len(items), bool), np.zeros(len(items), bool)
        used = rows["used"].to_numpy()
        values[at[used]] = rows["value"].to_numpy()[used]
        ok[at] = rows["value"].is_not_null().to_numpy()
        asked[at] = ~rows["outcome"].is_in([NOT_ASKED, ABSENT]).to_numpy()
        reasons = rows["reason"].unique().to_list() if not ok.any() else []
        found.append(
            Series(
                str(metric),
                None if judge is None else str(judge),
                str(source),
                str(dimension),
                bool(rows["simulated"].any()),
                values,
                ok,
                asked,
                reasons[0] if len(reasons) == 1 else None,
            )
        )
    return found


def held_against(series: Sequence[Series], dimension: str, rated: Sequence[str]) -> list[Series]:
    """What is correlated with people's ratings of one dimension; `rated` are all that people rated.

    A metric of one dimension, that people did not rate by this name, is held against each of theirs; a metric of
    several against those of the same name.
    """
    dimensions: dict[tuple[str, str | None, str], set[str]] = {}
    for one in series:
        dimensions.setdefault((one.metric, one.judge, one.source), set()).add(one.dimension)

    def fits(one: Series) -> bool:
        its = dimensions[one.metric, one.judge, one.source] - {AVERAGE} or {one.dimension}
        general = len(its) == 1 and one.dimension in its and (one.dimension == OVERALL or not its & set(rated))
        return general or one.dimension == dimension

    return [one for one in series if fits(one)]
