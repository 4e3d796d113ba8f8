"""What came back: the log of a run, its records, and the tables and statistics made of it."""
