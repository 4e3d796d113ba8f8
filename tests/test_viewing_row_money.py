"""What a row has cost, as far as it is known: nothing is $0.00 that is not known to be."""

from pathlib import Path

from providers.wire import Billing
from tests.harness.log_writing import LogWriter
from tests.harness.parsed_pages import assert_harmless, parse
from tests.harness.viewed import served


def rows(folder: Path) -> tuple[LogWriter, dict[str, int]]:
    """A run of rows by what their attempts came to."""
    log = LogWriter(folder).record()
    seqs = {name: log.request(name) for name in ("unbilled", "maybe", "unpriced", "answered")}
    for name, seq in seqs.items():
        log.attempt(seq, reserved_usd=None if name == "unpriced" else 0.5)
        log.settle(seq, billing=Billing.UNBILLED if name == "unbilled" else Billing.MAYBE, message="reset")
    for name in ("unbilled", "maybe", "unpriced"):
        log.fail(seqs[name])
    log.attempt(seqs["answered"], 2)
    log.answer(seqs["answered"], number=2, cost_usd=0.25)
    return log, seqs


async def test_a_row_says_what_was_billed_and_what_was_perhaps_billed(tmp_path: Path) -> None:
    """An attempt that nobody knows of at its reservation; where that is not known either, n/a."""
    log, seqs = rows(tmp_path / "run")
    told = {}
    async with served(log.folder) as viewer:
        for name, seq in seqs.items():
            page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
            told[name] = dict(zip(page.texts("dt"), page.texts("dd"), strict=False))["cost"]
    assert told == {
        "unbilled": "$0.00",
        "maybe": "billed $0.00, maybe billed at most $0.5000",
        "unpriced": "billed $0.00, maybe billed n/a",
        "answered": "billed $0.2500, maybe billed at most $0.5000",
    }


async def test_the_table_has_no_zero_that_is_not_known(tmp_path: Path) -> None:
    """A failed row that was perhaps billed shows how much at most."""
    log, _ = rows(tmp_path / "run")
    async with served(log.folder) as viewer:
        page = parse(await viewer.read("r/0/rows"))
    costs = [cell for cell in page.texts("td") if cell.startswith(("$", "maybe", "n/a"))]
    assert costs == ["$0.00", "maybe $0.5000", "maybe n/a", "$0.2500 + maybe $0.5000"]


async def test_a_price_that_nobody_knows_is_no_zero(tmp_path: Path) -> None:
    """Neither on the page nor in the table."""
    log = LogWriter(tmp_path / "run").record()
    log.answer(log.request(), cost_usd=None)
    async with served(log.folder) as viewer:
        table = parse(await viewer.read("r/0/rows"))
        page = assert_harmless(await viewer.read("r/0/row/1"))
    assert "n/a" in table.texts("td")
    assert dict(zip(page.texts("dt"), page.texts("dd"), strict=False))["cost"] == "n/a"
