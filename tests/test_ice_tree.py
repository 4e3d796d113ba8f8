"""The search tree of ICE, against numbers worked out by hand."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ice.tree import GPTFUZZ, RELEASED, Node, Rules, Selection, Tree

SEEDS = [(f"s{n}", f"template {n}") for n in range(76)]


class Drawn(Random):
    """Draws these numbers, the last one for ever."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(0)
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0) if len(self.numbers) > 1 else self.numbers[0]


GO_ON, STOP = 0.1, 0.0999


def node(visits: int, reward: float) -> Node:
    return Node("s", "", visits=visits, reward=reward)


def walked(selection: Selection) -> list[str]:
    return [one.name for one in selection.path]


def grown(rules: Rules, depth: int) -> tuple[Tree, list[Node]]:
    """A tree of one seed and one branch below it."""
    tree = Tree(SEEDS[:1], rules)
    branch = [tree.seeds[0]]
    for level in range(1, depth + 1):
        branch.append(tree.add_child(branch[-1], f"n{level}", "t"))
    return tree, branch


@pytest.mark.parametrize(
    ("policy", "visits", "reward", "step", "expected"),
    [
        (GPTFUZZ, 0, 0.0, 1, 0.0),
        (RELEASED, 0, 0.0, 1, 0.0),
        (GPTFUZZ, 0, 0.0, 2, 0.5887050),  # 0.5 sqrt(2 ln 2)
        (RELEASED, 0, 0.0, 2, 5.8870501),  # 0.5 sqrt(2 ln 2 / 0.01)
        (GPTFUZZ, 3, 2.0, 10, 1.0364915),  # 2/4 + 0.5 sqrt(2 ln 10 / 4)
        (RELEASED, 3, 2.0, 10, 1.1184571),  # 2/4 + 0.5 sqrt(2 ln 10 / 3.01)
    ],
)
def test_the_score_is_reward_a_visit_and_a_part_for_what_was_tried_little(
    policy: str, visits: int, reward: float, step: int, expected: float
) -> None:
    """UCT with either policy's term under the root, with the step counted from 1."""
    assert Rules(policy).score(node(visits, reward), step) == pytest.approx(expected, abs=1e-6)


def test_exploration_weighs_the_second_part_only() -> None:
    """Without exploration a score is reward over visits and one."""
    assert Rules(exploration=0).score(node(3, 2.0), 10) == 0.5
    assert Rules(exploration=1).score(node(3, 2.0), 10) == pytest.approx(1.5729830)


@pytest.mark.parametrize(
    ("level", "expected"), [(0, 0.6), (1, 0.54), (3, 0.42), (7, 0.18), (8, 0.12), (9, 0.12), (30, 0.12)]
)
def test_a_deep_node_earns_less_for_all_of_its_walk(level: int, expected: float) -> None:
    """Every node of the walk gets r * max(0.2, 1 - 0.1 * level), with the level of its end; r is 0.6 here."""
    tree, branch = grown(Rules(alpha=0), level)
    selection = tree.select(1, Drawn(GO_ON))
    assert selection.node is branch[-1]
    tree.back_propagate(selection, 0.6)
    assert [one.reward for one in branch] == [pytest.approx(expected)] * (level + 1)


def test_rewards_add_up_and_beta_is_a_floor() -> None:
    """A second reward is added to the first, and the floor is the spec's."""
    tree, branch = grown(Rules(alpha=0, beta=0.9), 3)
    for share in (0.5, 0.25):
        tree.back_propagate(tree.select(1, Drawn(GO_ON)), share)
    assert branch[0].reward == pytest.approx(0.9 * 0.75)


def test_every_node_of_the_walk_is_visited_and_the_selection_says_what_was_known_before() -> None:
    """Visits count after the choice: the score, visits and reward of the selection are those that it was made by."""
    tree, branch = grown(Rules(), 2)
    branch[2].visits, branch[2].reward = 3, 2.0
    selection = tree.select(10, Drawn(GO_ON))
    assert walked(selection) == ["s0", "n1", "n2"]
    assert [one.visits for one in branch] == [1, 1, 4]
    assert (selection.visits, selection.reward) == (3, 2.0)
    assert selection.score == pytest.approx(1.0364915)


@pytest.mark.parametrize(("draws", "end"), [((STOP,), "s0"), ((GO_ON, STOP), "n1"), ((GO_ON,), "n2")])
def test_a_walk_stops_at_each_level_with_probability_alpha(draws: tuple[float, ...], end: str) -> None:
    """A draw below alpha, 0.1, ends the walk where it is; at a node without children it ends by itself."""
    tree, _ = grown(Rules(), 2)
    assert tree.select(5, Drawn(*draws)).node.name == end


def test_the_first_of_equals_is_taken() -> None:
    """At the first step all scores are 0: the pool's first seed; and of equal children the one made first."""
    tree = Tree(SEEDS, Rules())
    tree.add_child(tree.seeds[0], "n1", "t")
    tree.add_child(tree.seeds[0], "n2", "t")
    assert walked(tree.select(1, Drawn(GO_ON))) == ["s0", "n1"]


@given(shares=st.lists(st.floats(0, 1), min_size=20, max_size=20), seed=st.integers(0, 1000))
def test_released_tries_the_seeds_in_their_order_and_never_descends(shares: list[float], seed: int) -> None:
    """In 20 steps over 76 seeds, whatever the rewards, it takes the first 20 seeds, one after the other."""
    tree = Tree(SEEDS, Rules(RELEASED))
    for step, share in enumerate(shares, 1):
        selection = tree.select(step, Random(seed))
        assert walked(selection) == [f"s{step - 1}"]
        tree.back_propagate(selection, share)
        tree.add_child(selection.node, f"n{step}", "t")


def test_gptfuzz_follows_a_branch_that_had_success() -> None:
    """A seed that had success is taken again before all are tried, and its child with it; without success it is not."""
    tree = Tree(SEEDS, Rules(GPTFUZZ))
    first = tree.select(1, Drawn(GO_ON))
    tree.back_propagate(first, 1.0)
    tree.add_child(first.node, "n1", "t")
    assert walked(tree.select(2, Drawn(GO_ON))) == ["s0", "n1"]
    barren = Tree(SEEDS, Rules(GPTFUZZ))
    barren.back_propagate(barren.select(1, Drawn(GO_ON)), 0.0)
    assert walked(barren.select(2, Drawn(GO_ON))) == ["s1"]


def test_among_children_the_policy_counts_as_among_seeds() -> None:
    """A child never tried comes first under `released`; under `gptfuzz` a good sibling may go before it."""
    ends = {}
    for policy in (GPTFUZZ, RELEASED):
        tree = Tree(SEEDS[:1], Rules(policy))
        good = tree.add_child(tree.seeds[0], "good", "t")
        tree.add_child(tree.seeds[0], "new", "t")
        good.visits, good.reward = 1, 1.0
        ends[policy] = tree.select(3, Drawn(GO_ON)).node.name
    assert ends == {GPTFUZZ: "good", RELEASED: "new"}


def test_a_child_is_a_level_below_its_parent_and_in_the_pool() -> None:
    """The pool has the seeds in their order, then what was added in its order."""
    tree, branch = grown(Rules(), 2)
    assert [(one.name, one.level) for one in tree.pool] == [("s0", 0), ("n1", 1), ("n2", 2)]
    assert branch[2].parent is branch[1]
    assert branch[1].children == [branch[2]]
