"""Amounts as people read them: tokens, dollars, spans of time."""


def amount(count: int) -> str:
    """A count of tokens, in millions from a million on."""
    return f"{count:,}" if count < 1_000_000 else f"{count / 1_000_000:,.2f}M"


def money(cost_usd: float, unpriced: int = 0) -> str:
    """Dollars, and how many answers have no known price: those are never counted as 0."""
    text = f"${cost_usd:,.2f}" if cost_usd >= 1 or cost_usd == 0 else f"${cost_usd:.4f}"
    if not unpriced:
        return text
    return f"{text} + {unpriced:,} unpriced" if cost_usd else f"{unpriced:,} unpriced"


def short_money(cost_usd: float, unpriced: int) -> str:
    """`money` for a narrow column: `?` stands for what has no known price."""
    if not unpriced:
        return money(cost_usd)
    return f"{money(cost_usd)} + ?" if cost_usd else "?"


def duration(seconds: float | None) -> str:
    """`1h02m`, `3m20s`, `12s`, or `?`."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
