"""The address of the rows that a number rests on, within the page."""

from outputs.browsing.query import parameters
from outputs.figures.parts import Filter

_LONGEST = 2000  # characters of an address; rows of what has a longer name are found by hand


def query_of(filters: Filter) -> str | None:
    """A filter as the query of an address; None where it is too long for one."""
    query = parameters(filters)
    return query if len(query) <= _LONGEST else None


def link_of(filters: Filter) -> str | None:
    """Where the page lists the rows of a filter; None where that cannot be written as an address."""
    query = query_of(filters)
    return None if query is None else f"#rows?{query}"
