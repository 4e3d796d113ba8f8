"""Amounts as people read them: tokens, dollars, spans of time."""


def amount(count: int) -> str:
    """A count of tokens, in millions from a million on."""
    return f"{count:,}" if count < 1_000_000 else f"{count / 1_000_000:,.2f}M"


def dollars(usd: float) -> str:
    """Cents from a dollar on; below, as many decimals as it takes to tell the amount from nothing."""
    if usd >= 1 or usd == 0:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.001 else f"${usd:.9f}".rstrip("0")


def money(cost_usd: float, unpriced: int = 0) -> str:
    """Dollars, and how many answers have no known price: those are never counted as 0."""
    text = dollars(cost_usd)
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
