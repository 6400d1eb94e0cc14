"""How votes are counted: soft and hard, over the 18 classes or per attribute. Free of torch.

A vote is a node itself, so any vote can be a member of any other. A row that a member never held (NaN) is NaN in
every vote over it. The same code votes out-of-fold and test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core import labels
from ensembles.voting.nodes import Node

#: Shares of a hard vote that lie closer than this are a tie; also what the mean probability counts beside them.
TIE = 1e-6
#: Mean probabilities that lie closer than this are the same but for rounding.
SAME = 1e-9
#: What the first-named member's class gains where the means tie too: more than SAME * TIE, less than anyone sees.
NUDGE = 1e-12
#: (18, 8): class probabilities times this are the 3 + 2 + 3 marginals, in one product.
MARGINALS = np.concatenate(labels.marginals(np.eye(18)), 1)
Per = Literal["class", "attribute"]


@dataclass(frozen=True, kw_only=True)
class Vote(Node):
    """A vote over other nodes: over the 18 classes, or over mask, gender and age apart, which are then joined."""

    voters: tuple[Node, ...]
    per: Per = "class"
    word = ""

    @property
    def members(self) -> tuple[Node, ...]:
        return self.voters

    @property
    def label(self) -> str:
        return self.word if self.per == "class" else f"{self.word} per attribute"

    def __str__(self) -> str:
        given = [*map(str, self.voters), *(['per="attribute"'] if self.per == "attribute" else [])]
        return self._weighted(f"{self.word}({', '.join(given)})")

    def probs(self, part: str) -> np.ndarray:
        return self.taken(member.probs(part) for member in self.voters)

    def taken(self, said: Iterable[np.ndarray]) -> np.ndarray:
        """(n, 18): what comes of members that say these (n, 18)."""
        weights = shares(self.voters)
        if self.per == "class":
            return self.rule(said, weights)
        parts = zip(*(np.split(probs @ MARGINALS, (3, 5), 1) for probs in said), strict=True)
        return labels.joint(*(self.rule(part, weights) for part in parts))

    @staticmethod
    def rule(said: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
        """(n, c) probabilities from each member's (n, c) and the members' weights, which sum to 1."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Soft(Vote):
    """The weighted mean of the members' probabilities."""

    word = "soft"

    @staticmethod
    def rule(said: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
        return sum(weight * probs for weight, probs in zip(weights, said, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class Hard(Vote):
    """Each member names one class; the class with the greatest weight behind it wins.

    The array is (shares + 1e-6 * weighted mean) / (1 + 1e-6): a tie goes to the higher mean probability,
    never to the lower class id; if the means tie too, the class of the first-named member wins.
    """

    word = "hard"

    @staticmethod
    def rule(said: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
        said = list(said)
        named = [probs.argmax(1) for probs in said]
        mean = Soft.rule(said, weights)
        share, rows = np.zeros_like(mean), np.arange(len(mean))
        for weight, classes in zip(weights, named, strict=True):
            share[rows, classes] += weight
        level = share > share.max(1, keepdims=True) - TIE
        evened = np.where(level, (share * level).sum(1, keepdims=True) / level.sum(1, keepdims=True), share)
        array = (evened + TIE * mean) / (1 + TIE)
        best = level & (mean > np.where(level, mean, -np.inf).max(1, keepdims=True) - SAME)
        for row in np.flatnonzero(best.sum(1) > 1):
            first = next(classes[row] for classes in named if best[row, classes[row]])
            array[row, first] = array[row].max() * (1 + NUDGE)
        return array


def shares(members: tuple[Node, ...]) -> np.ndarray:
    """The members' weights, scaled to sum to 1."""
    weights = np.array([member.weight for member in members], float)
    weights /= weights.max()  # so that no sum overflows
    return weights / weights.sum()
