"""What limits an answer's headers tell, in the spellings of all providers."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from providers.moments import FURTHEST_S, read_duration_s
from providers.rate_headers import DAY_S, Reading, Resource, read_rate_headers

NOW = 1_800_000_000.0
R = Resource


def openai(kind: str, limit: object, remaining: object, reset: object) -> dict[str, str]:
    told = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{part}-{kind}": str(value) for part, value in told.items() if value is not None}


def anthropic(kind: str, limit: object, remaining: object, reset: object) -> dict[str, str]:
    told = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"anthropic-ratelimit-{kind}-{part}": str(value) for part, value in told.items() if value is not None}


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("headers", "readings"),
    [
        ({}, ()),
        ({"content-type": "application/json", "x-request-id": "1"}, ()),
        (openai("requests", 500, 499, "120ms"), (Reading(R.REQUESTS, 500, 499, 0.12),)),
        (
            openai("requests", 500, 0, "1s") | openai("tokens", 30000, 12000, "36s"),
            (Reading(R.REQUESTS, 500, 0, 1), Reading(R.TOKENS, 30000, 12000, 36)),
        ),
        (openai("requests", 500, None, None), (Reading(R.REQUESTS, 500),)),
        (openai("tokens", 500, 3, 17), (Reading(R.TOKENS, 500, 3, 17),)),
        (openai("requests", None, 3, "1s"), ()),
        (
            anthropic("requests", 50, 49, rfc3339(30)) | anthropic("input-tokens", 40000, 0, rfc3339(12.5)),
            (Reading(R.REQUESTS, 50, 49, 30), Reading(R.INPUT_TOKENS, 40000, 0, 12.5)),
        ),
        (
            anthropic("tokens", 9, 8, rfc3339(-5)) | anthropic("output-tokens", 8000, 7000, "soon"),
            (Reading(R.TOKENS, 9, 8, 0), Reading(R.OUTPUT_TOKENS, 8000, 7000, None)),
        ),
        (
            {"ratelimit-limit": "100", "ratelimit-remaining": "7", "ratelimit-reset": "12"},
            (Reading(R.REQUESTS, 100, 7, 12),),
        ),
        (
            {"ratelimit-limit": "100, 100;w=60;burst=1000", "ratelimit-remaining": "7", "ratelimit-reset": "12"},
            (Reading(R.REQUESTS, 100, 7, 12, 60),),
        ),
        (
            {
                "ratelimit-limit": "10",
                "ratelimit-policy": "10;w=1, 5000;w=86400",
                "ratelimit-remaining": "0",
                "ratelimit-reset": "1",
            },
            (Reading(R.REQUESTS, 10, 0, 1, 1),),
        ),
        ({"ratelimit": "limit=100, remaining=50, reset=30"}, (Reading(R.REQUESTS, 100, 50, 30),)),
        (
            {"ratelimit": "limit=100, remaining=50, reset=30", "ratelimit-policy": "100;w=60"},
            (Reading(R.REQUESTS, 100, 50, 30, 60),),
        ),
        ({"ratelimit-policy": "100;w=60"}, (Reading(R.REQUESTS, 100, None, None, 60),)),
        (
            {"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60'},
            (Reading(R.REQUESTS, 100, 50, 30, 60),),
        ),
        (
            {
                "ratelimit": '"day";r=900;t=3600, "burst, short";r=3;t=1',
                "ratelimit-policy": '"burst, short";q=10;w=1,"day";q=1000;w=86400;qu="tokens"',
            },
            (Reading(R.REQUESTS, 10, 3, 1, 1), Reading(R.TOKENS, 1000, 900, 3600, DAY_S)),
        ),
        ({"ratelimit-policy": '"size";q=1000;qu="content-bytes";w=60'}, ()),
        ({"ratelimit": '"default";r=50;t=30'}, ()),
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59", "x-ratelimit-reset": f"{NOW + 42:.0f}"},
            (Reading(R.REQUESTS, 60, 59, 42),),
        ),
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59", "x-ratelimit-reset": f"{1000 * NOW + 42e3:.0f}"},
            (Reading(R.REQUESTS, 60, 59, 42),),
        ),
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-reset": format_datetime(datetime.fromtimestamp(NOW + 9, UTC))},
            (Reading(R.REQUESTS, 60, None, 9),),
        ),
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "5", "ratelimit-limit": "60"},
            (Reading(R.REQUESTS, 60),),
        ),
    ],
)
def test_each_family_of_headers_is_read(headers: dict[str, str], readings: tuple[Reading, ...]) -> None:
    """Limit, remaining, reset and window are found wherever a provider writes them, and None where it does not."""
    assert read_rate_headers(headers, NOW) == readings


@pytest.mark.parametrize("nonsense", ["", "-1", "nan", "inf", "-inf", "1e400", "many", "0x10", "{}", "1;2", "\x00"])
def test_what_makes_no_sense_is_left_out(nonsense: str) -> None:
    """A senseless limit is none at all; a senseless remaining or reset leaves the limit standing."""
    assert read_rate_headers(openai("requests", nonsense, 1, "1s"), NOW) == ()
    assert read_rate_headers({"x-ratelimit-limit": nonsense}, NOW) == ()
    assert read_rate_headers(openai("tokens", 9, nonsense, "1s"), NOW) == (Reading(R.TOKENS, 9, None, 1),)
    assert read_rate_headers(openai("tokens", 9, 1, nonsense), NOW) == (Reading(R.TOKENS, 9, 1, None),)


@pytest.mark.parametrize("limit", ["0", "99999999999999999999"])
def test_no_limit_is_not_read_as_a_limit(limit: str) -> None:
    """Zero and numbers beyond all counting are ways to write that there is none."""
    assert read_rate_headers(openai("requests", limit, limit, "0s"), NOW) == ()


def test_names_are_found_in_any_case() -> None:
    """HTTP's names have no case: aiohttp's headers and plain mappings of either case are read alike."""
    headers = {"X-RateLimit-Limit-Requests": "500", "x-ratelimit-Remaining-requests": "2"}
    expected = (Reading(R.REQUESTS, 500, 2),)
    assert read_rate_headers(headers, NOW) == expected
    assert read_rate_headers(CIMultiDictProxy(CIMultiDict(headers)), NOW) == expected


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "window_s"),
    [
        (10_000, 9_999, "8.64s", DAY_S),
        (10_000, 9_990, "1m26.4s", DAY_S),
        (14_400, 14_370, "2m59.56s", DAY_S),
        (200, 0, "24h0m0s", DAY_S),
        (1_000_000, 999_999, "87ms", DAY_S),
        (10_000, 9_999, "6ms", None),
        (500, 499, "120ms", None),
        (3, 2, "20s", None),
        (500, 0, "1m0s", None),
        (1_000, 999, "59s", None),
        (10_000, 9_994, "53s", None),
        (10_000, 10_000, "0s", None),
        (10_000, 9_999, "0s", None),
    ],
)
def test_a_limit_a_day_is_told_by_how_fast_it_refills(
    limit: int, remaining: int, reset: str, window_s: float | None
) -> None:
    """OpenAI does not name the window: a refill rate of limit / 86,400 a second is a day's."""
    [reading] = read_rate_headers(openai("requests", limit, remaining, reset), NOW)
    assert reading.window_s == window_s


def test_tokens_have_no_day() -> None:
    """Only requests are limited by the day in these headers."""
    assert read_rate_headers(openai("tokens", 10_000, 0, "24h0m0s"), NOW)[0].window_s is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("879ms", 0.879),
        ("1h2m3.5s", 3723.5),
        ("17.5\u00b5s", 17.5e-6),
        ("2d", 172_800.0),
        ("47s ", 47.0),
        ("", None),
        ("12", None),
        ("-1s", None),
        ("1 s", None),
        ("1s soon", None),
        ("9" * 400 + "s", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float | None) -> None:
    """Hours to nanoseconds, in one word; what is no duration is None."""
    assert read_duration_s(text) == (None if seconds is None else pytest.approx(seconds))


NAMES = st.sampled_from(
    [
        *(f"x-ratelimit-{part}-{kind}" for part in ("limit", "remaining", "reset") for kind in ("requests", "tokens")),
        *(f"anthropic-ratelimit-{kind}-{part}" for part in ("limit", "reset") for kind in ("tokens", "output-tokens")),
        *(f"{x}ratelimit-{part}" for part in ("limit", "remaining", "reset") for x in ("", "x-")),
        "ratelimit",
        "ratelimit-policy",
    ]
)
VALUES = (
    st.text(max_size=30)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.from_regex(r'("[a-z]*"|[0-9]+)(;[qrtw]=[0-9"]{1,3}){0,3}(, ?[a-z]+=[0-9]+)?', fullmatch=True)
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_whatever_the_headers_say_the_readings_make_sense(headers: dict[str, str]) -> None:
    """Nothing raises, and every number that comes out is one to count with."""
    for reading in read_rate_headers(headers, NOW):
        assert 0 < reading.limit < 1e15
        assert reading.remaining is None or 0 <= reading.remaining < float("inf")
        assert reading.reset_s is None or 0 <= reading.reset_s <= FURTHEST_S
        assert reading.window_s is None or 0 < reading.window_s <= 31 * DAY_S


@given(st.integers(1, 10**7), st.data())
def test_a_reset_of_openai_s_minute_is_never_taken_for_a_day_s(limit: int, data: st.DataObject) -> None:
    """A bucket that refills in a minute is not read as one that refills in a day, whatever is left of it."""
    used = data.draw(st.integers(1, limit))
    reset = f"{max(1, round(used * 60_000 / limit))}ms"
    [reading] = read_rate_headers(openai("requests", limit, limit - used, reset), NOW)
    assert reading.window_s is None or limit > 500_000  # above that a millisecond is too coarse to tell
