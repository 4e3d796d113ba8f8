"""Memory that is no longer needed goes back to the system: a server that is looked at all day shall not hold it."""

import os

_OF_POLARS = "_RJEM_MALLOC_CONF"  # read once, when its library is loaded


def load_polars_frugally() -> None:
    """Load polars so that its allocator keeps nothing of what is freed; to be called before it is loaded.

    By default it keeps a query's memory for the next one: with a million rows a hundred megabytes. What the user has
    set stands. Children are not told: they make tables, and are gone soon.
    """
    said = os.environ.get(_OF_POLARS)
    os.environ.setdefault(_OF_POLARS, "dirty_decay_ms:0,muzzy_decay_ms:0")
    import polars  # noqa: F401  # loaded for its allocator's sake, which reads the setting now

    if said is None:
        del os.environ[_OF_POLARS]
