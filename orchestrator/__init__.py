"""The engine and the command line: run folders, lanes, limits, retries, progress."""
