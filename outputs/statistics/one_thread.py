"""Matrices are multiplied by one thread: the same numbers on every machine, and no core that only waits."""

import os


def multiply_on_one_thread() -> None:
    """Have numpy's OpenBLAS take one thread, where nobody said otherwise; to be called before numpy is imported.

    With more it adds up in another order, and where other programs run its threads spin for one another: the products
    of a report then cost twenty times as much.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
