"""The local model as an entry of the catalog."""

PROVIDER = "local"
MODEL = "smollm2-135m"
AGAIN = f"{MODEL}-again"  # the same weights by another name, for what compares two models
NAMES = (MODEL, AGAIN)
CONTEXT = 4096  # tokens of prompt and answer together


def catalog_entry(base_url: str) -> str:
    """The TOML of a provider at `base_url` (it ends in `/v1`): free, one call at a time, with log probabilities."""
    models = ", ".join(f'"{name}"' for name in NAMES)
    return f"""\
[providers.{PROVIDER}]
protocol = "openai"
base_url = "{base_url}"
models = [{models}]
free = true
[providers.{PROVIDER}.limits]
concurrency = 1
[providers.{PROVIDER}.facts."{MODEL}*"]
context_window = {CONTEXT}
vision = false
logprobs = true
"""
