"""Soft and hard votes, over the 18 classes or per attribute. Free of torch.

A vote is a node itself, so any vote can be a member of any other. A row that one member did not hold out (NaN) is
NaN in every vote over it. The same code votes out of fold and on test.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core import labels
from ensembles.voting.nodes import Node

#: Two classes of a hard vote are tied if their shares of the weight differ by less; also the weight of the mean
#: probability in the result.
TIE = 1e-6
#: Mean probabilities that differ by less are equal but for rounding.
EQUAL = 1e-9
#: If the means tie too, the class of the first member gains this share: more than EQUAL * TIE, too little to matter.
TIE_BREAK = 1e-12
#: (18, 8): class probabilities times this are the 3 + 2 + 3 marginals, in one product.
MARGINALS = np.concatenate(labels.marginals(np.eye(18)), 1)
Per = Literal["class", "attribute"]


@dataclass(frozen=True, kw_only=True)
class Vote(Node):
    """A vote over its members: on the 18 classes, or on mask, gender and age separately, which are then joined."""

    per: Per = "class"
    #: The function of ensembles/voting/api.py that makes this vote.
    function = ""

    @property
    def label(self) -> str:
        return self.function if self.per == "class" else f"{self.function} per attribute"

    @property
    def expression(self) -> str:
        arguments = [*map(str, self.members), *(['per="attribute"'] if self.per == "attribute" else [])]
        return f"{self.function}({', '.join(arguments)})"

    def vote(self, member_probs: Iterable[np.ndarray]) -> np.ndarray:
        weights = normalised_weights(self.members)
        if self.per == "class":
            return self.combine(member_probs, weights)
        tasks = zip(*(np.split(probs @ MARGINALS, (3, 5), 1) for probs in member_probs), strict=True)
        return labels.joint(*(self.combine(task, weights) for task in tasks))

    @staticmethod
    def combine(member_probs: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
        """(n, c) probabilities from each member's (n, c) and the members' weights, which sum to 1."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Soft(Vote):
    """The weighted mean of the members' probabilities."""

    function = "soft"

    @staticmethod
    def combine(member_probs: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
        return sum(weight * probs for weight, probs in zip(weights, member_probs, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class Hard(Vote):
    """Each member votes for its most probable class; the class with the greatest sum of weights wins.

    The array is (share of the weight + 1e-6 * weighted mean) / (1 + 1e-6): a tie goes to the higher mean
    probability, never to the lower class id; if the means tie too, the class of the first-named member wins."""

    function = "hard"

    @staticmethod
    def combine(member_probs: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
        arrays = list(member_probs)
        choices = [probs.argmax(1) for probs in arrays]
        mean = Soft.combine(arrays, weights)
        share, rows = np.zeros_like(mean), np.arange(len(mean))
        for weight, classes in zip(weights, choices, strict=True):
            share[rows, classes] += weight
        tied = share > share.max(1, keepdims=True) - TIE
        tied_mean = (share * tied).sum(1, keepdims=True) / tied.sum(1, keepdims=True)
        result = (np.where(tied, tied_mean, share) + TIE * mean) / (1 + TIE)
        best = tied & (mean > np.where(tied, mean, -np.inf).max(1, keepdims=True) - EQUAL)
        for row in np.flatnonzero(best.sum(1) > 1):
            first = next(classes[row] for classes in choices if best[row, classes[row]])
            result[row, first] = result[row].max() * (1 + TIE_BREAK)
        return result


def normalised_weights(members: tuple[Node, ...]) -> np.ndarray:
    """The members' weights, scaled to sum to 1."""
    weights = np.array([member.weight for member in members], float)
    weights /= weights.max()  # so that no sum overflows
    return weights / weights.sum()
