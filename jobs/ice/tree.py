"""The search tree over templates: which one to try next, and what its success says of those that it came from.

MCTS-Explore of GPTFuzz (Yu et al., 2023, arXiv 2309.10253), as Lee et al. (ACL 2025, long.248) use it. A node scores

    reward / (visits + 1) + c * sqrt(2 * ln(step) / (visits + k))

with step counted from 1. The seeds are the roots: the best of them is taken, then the best of its children, and so on
down; before each descent the walk stops with probability alpha. k is the policy's:

- `gptfuzz`, k = 1: a seed that was never tried has a score like any other, so that a good branch is followed early.
- `released`, k = 0.01, as in the run that the authors released: what was never tried always comes first, so that no
  branch is followed before every seed has been tried once.

GPTFuzz's own code has k = 1 among the seeds and 0.01 among the children of a node (`MCTSSelectPolicy`, in
gptfuzzer/fuzzer/selection.py); here a policy has one k for all of the tree. As there, every node of the walk gets a
visit, and r * max(beta, 1 - 0.1 * level) for the share r of successes, with the level of the node where the walk ended.

Where scores are equal the first counts: seeds in the order of the pool, children in the order of their making.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from random import Random

GPTFUZZ, RELEASED = "gptfuzz", "released"
POLICIES = {GPTFUZZ: 1.0, RELEASED: 0.01}  # k: what is added to the visits under the root
_FADING = 0.1  # what a level takes from the reward


@dataclass(frozen=True, slots=True)
class Rules:
    """`exploration` is c; `alpha` the probability to stop at a level; `beta` the least part of a reward."""

    policy: str = GPTFUZZ
    exploration: float = 0.5
    alpha: float = 0.1
    beta: float = 0.2

    def score(self, node: "Node", step: int) -> float:
        """How much a node promises at a step, counted from 1."""
        unsure = sqrt(2 * log(step) / (node.visits + POLICIES[self.policy]))
        return node.reward / (node.visits + 1) + self.exploration * unsure


@dataclass(slots=True, eq=False)
class Node:
    """A template. `reward` is the sum of what it was given; seeds have no parent and level 0."""

    name: str
    template: str
    parent: "Node | None" = None
    level: int = 0
    visits: int = 0
    reward: float = 0.0
    children: "list[Node]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selection:
    """A walk from a seed to the node that was selected, and what was known of that node when it was."""

    path: tuple[Node, ...]
    score: float
    visits: int
    reward: float

    @property
    def node(self) -> Node:
        """The selected one."""
        return self.path[-1]


class Tree:
    """The templates of one search. `pool` has all of them: the seeds, then what was added, in that order."""

    def __init__(self, seeds: Iterable[tuple[str, str]], rules: Rules) -> None:
        self.rules = rules
        self.seeds = [Node(name, template) for name, template in seeds]
        self.pool = list(self.seeds)

    def select(self, step: int, draw: Random) -> Selection:
        """Walk down from the best seed, and count the visit of every node of the walk."""
        node, score = self._best(self.seeds, step)
        path = [node]
        while node.children and draw.random() >= self.rules.alpha:
            node, score = self._best(node.children, step)
            path.append(node)
        selection = Selection(tuple(path), score, node.visits, node.reward)
        for visited in path:
            visited.visits += 1
        return selection

    def back_propagate(self, selection: Selection, share: float) -> None:
        """Reward every node of a walk for the share of successes, 0 to 1, of what came of it."""
        reward = share * max(self.rules.beta, 1 - _FADING * selection.node.level)
        for node in selection.path:
            node.reward += reward

    def add_child(self, parent: Node, name: str, template: str) -> Node:
        """Put a template that was made of `parent` beneath it."""
        child = Node(name, template, parent, parent.level + 1)
        parent.children.append(child)
        self.pool.append(child)
        return child

    def _best(self, nodes: Sequence[Node], step: int) -> tuple[Node, float]:
        """The first of the nodes with the highest score, and that score."""
        scores = [self.rules.score(node, step) for node in nodes]
        highest = max(scores)
        return nodes[scores.index(highest)], highest
