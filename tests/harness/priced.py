"""A provider whose calls cost money."""

from tests.harness.workplace import Workplace

CALL_USD = 7e-6  # of a call of the loopback server: three tokens in, two out
_PRICES = """
[providers.lab.prices."lab-*"]
input = 1.0
output = 2.0
[providers.lab.facts."lab-*"]
max_output_tokens = 100
"""


def put_prices(work: Workplace) -> None:
    """A catalog whose calls cost `CALL_USD`, and three or four times a ten-thousandth of a dollar at most."""
    work.write_catalog(_PRICES)
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))
