"""Text from models, providers and manifests, made safe to print."""


def plain_text(text: str) -> str:
    """`text` on one line, with everything that could steer a terminal, or reorder what it shows, made visible."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
