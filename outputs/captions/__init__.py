"""Captions: metrics' scores of them, people's ratings, and how the two agree."""
