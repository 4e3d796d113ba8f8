"""Where the marks of a chart come from: a few values of plain rows, in the chart itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt


def chart_of(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart of these rows, to be given marks."""
    return alt.Chart(alt.Data(values=[dict(row) for row in rows]))  # type: ignore[no-untyped-call]


def data_of(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """These rows, for a chart that is cut into panels."""
    return alt.Data(values=[dict(row) for row in rows])  # type: ignore[no-untyped-call]
