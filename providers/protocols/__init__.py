"""The wire protocols: how a request is written in each, and how its answers are read."""

PROTOCOLS = ("openai", "azure", "anthropic", "gemini")
