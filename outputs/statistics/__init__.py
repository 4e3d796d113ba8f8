"""Intervals, tests and rank correlations over clustered, paired data."""
