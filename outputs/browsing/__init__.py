"""The rows of a run for looking at: a page of them, filtered, searched and sorted, and one of them whole."""
