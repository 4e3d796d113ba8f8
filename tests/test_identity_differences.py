"""Targets of ICE held against each other: over what, how far apart, and how sure."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from outputs.identity.differences import BY_BOTH, BY_QUESTION, differences_table
from prompts.input_error import InputError
from tests.harness.identity_runs import Asked, rows_of, searched

FIRST, SECOND = [3, 4, 5, 6, 4, 5, 3, 6, 5, 4], [1, 0, 2, 1, 0, 1, 2, 0, 1, 2]


def differences(asked: Sequence[Asked], *pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return differences_table(rows_of(asked), pairs).to_dicts()


def two(first: str = "lab/base", second: str = "lab/instruct") -> list[Asked]:
    return [*searched(FIRST, first), *searched(SECOND, second)]


def test_a_named_pair_is_base_minus_instruct() -> None:
    """The difference is of the two rates, in the order in which they are named, by names without provider too."""
    loose = differences(two(), ("instruct", "lab/base"))[0]
    assert (loose["base"], loose["instruct"], loose["named"]) == ("lab/instruct", "lab/base", True)
    assert loose["difference"] == pytest.approx(0.1 - 0.45)
    assert loose["low"] < loose["difference"] < loose["high"] < 0
    assert loose["p"] < 0.001
    assert (loose["paired_by"], loose["questions"], loose["shared_templates"]) == (BY_QUESTION, 10, 0)


def test_a_standard_error_of_two_targets_is_that_of_both() -> None:
    """Without shared templates the variances of the two add up."""
    one, other = ([hits / 10 for hits in side] for side in (FIRST, SECOND))

    def squared_error(side: list[float]) -> float:
        middle = sum(side) / len(side)
        return sum((value - middle) ** 2 for value in side) / (len(side) - 1) / len(side)

    found = differences(two())[0]
    assert found["standard_error"] == pytest.approx(math.sqrt(squared_error(one) + squared_error(other)))


def test_shared_templates_are_paired() -> None:
    """Where both are asked through the same templates, what the templates have in common cancels out."""
    sha = [f"{n:016d}" for n in range(10)]
    low = [1, 5, 2, 8, 3, 6, 2, 7, 1, 4]
    high = [hits + 1 + (hits % 2) for hits in low]
    asked = [
        Asked(
            row.iteration,
            row.question,
            row.loose,
            row.strict,
            row.target,
            1,
            {"template_sha256": sha[row.iteration - 1]},
        )
        for row in [*searched(high, "a"), *searched(low, "b")]
    ]
    found = differences(asked)[0]
    assert (found["paired_by"], found["shared_templates"]) == (BY_BOTH, 10)
    assert found["difference"] == pytest.approx(0.15)
    assert found["standard_error"] < 0.02
    assert found["low"] > 0.1


def test_only_common_questions_count() -> None:
    """What only one of the two was asked, or was judged on, is left out of both rates and counted."""
    more = [Asked(i, "only", True, True, "lab/base") for i in range(1, 11)]
    unread = [Asked(i, "unread", True, True, "lab/base") for i in range(1, 11)]
    unread += [Asked(i, "unread", None, target="lab/instruct") for i in range(1, 11)]
    found = differences([*two(), *more, *unread])[0]
    assert found["base_rate"] == pytest.approx(0.45)
    assert (found["base_left_out"], found["instruct_left_out"]) == (20, 0)


def test_all_pairs_are_corrected_together() -> None:
    """Three targets are three pairs, whose p-values are Holm's; a named pair is a family of its own."""
    asked = [*two("a", "b"), *searched([4, 4, 5, 6, 4, 5, 3, 6, 6, 4], "c")]
    every = [row for row in differences(asked, ("a", "c")) if row["measure"] == "loose"]
    assert [row["named"] for row in every] == [True, False, False, False]
    assert every[0]["p_holm"] == every[0]["p"]
    least = min(every[1:], key=lambda row: row["p"])
    assert least["p_holm"] == pytest.approx(3 * least["p"])
    assert {row["family"] for row in every} == {"loose: 1 named", "loose: 3 of all pairs"}


def test_what_cannot_be_compared_is_nan_with_a_reason() -> None:
    """No common question, one template, no second judgement, no difference anywhere: a reason, not a number."""
    cases: dict[str, list[Asked]] = {
        "no common rows": [*searched(FIRST, "a"), *(Asked(1, "z", True, True, "b") for _ in "x")],
        "one template": [*searched(FIRST, "a"), *searched([3], "b")],
        "the same in every": [*searched([0] * 5, "a"), *searched([0] * 5, "b")],
    }
    for reason, asked in cases.items():
        found = differences(asked)[0]
        assert reason in found["warning"]
        assert math.isnan(found["p"])
        assert math.isnan(found["low"])
    unjudged = [Asked(i, f"q{n}", n < i, target=t) for t in "ab" for i in (1, 2, 3) for n in range(5)]
    strict = differences(unjudged)[1]
    assert math.isnan(strict["difference"])
    assert "no second judgement" in strict["warning"]


def test_a_difference_of_rare_hits_is_doubted() -> None:
    """Where neither target has hits in eight templates the interval is said to be doubtful."""
    found = differences([*searched([9, 0, 0, 0, 0, 0], "a"), *searched([0, 0, 1, 0, 0, 0], "b")])[0]
    assert "less than 95 %" in found["warning"]


def test_one_target_has_nobody_to_be_held_against() -> None:
    """A single target has an empty table; so has a run without rows."""
    assert differences(searched(FIRST)) == []
    assert differences([]) == []


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("base", "nobody"), "'nobody' is no target: lab/base, lab/instruct, other/instruct"),
        (("base", "instruct"), "'instruct' is the name of several targets: lab/instruct, other/instruct"),
        (("base", "lab/base"), "'lab/base' is compared with itself"),
    ],
)
def test_a_pair_that_names_no_two_targets_is_refused(pair: tuple[str, str], message: str) -> None:
    """An unknown or ambiguous name is an error that lists the targets."""
    asked = [*two(), *searched([1, 2], "other/instruct")]
    with pytest.raises(InputError) as raised:
        differences(asked, pair)
    assert message in str(raised.value)


def test_a_pair_that_is_named_in_both_orders_stands_once() -> None:
    """In the order in which it was named first, and not twice in the correction."""
    found = differences(two(), ("base", "instruct"), ("instruct", "base"), ("lab/base", "lab/instruct"))
    assert [(row["base"], row["measure"]) for row in found] == [("lab/base", m) for m in ("loose", "strict", "hard")]
    assert found[0]["family"] == "loose: 1 named"
