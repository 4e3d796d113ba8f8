"""The colour of each model: the same in all charts of a report."""

from collections.abc import Mapping

from outputs.figures import theme
from outputs.figures.parts import Analysis


def model_colours(found: Analysis) -> dict[str, str]:
    """Of the models that were asked, by their full names, in the order of the table of coverage."""
    coverage = found.table("coverage")
    return theme.colours(coverage["model"].to_list() if coverage.height else [])


def shown_colours(found: Analysis, labels: Mapping[str, str]) -> dict[str, str]:
    """By what models are called in a chart, `labels` of full names.

    There are eight colours: where two models of the chart would share one, and where one was not asked, as in a run
    that was imported, those of the chart have colours in their own order.
    """
    known = model_colours(found)
    its = {label: known[name] for name, label in labels.items() if name in known}
    apart = len(set(its.values())) == len(labels)
    return its if apart else theme.colours(list(labels.values()))
