"""A vote whose probabilities are multiplied by factors: macro F1 is not won by the likeliest class. Free of torch.

Macro F1 counts a rare class as much as a frequent one, so a row that is elderly with 40 % is often better called so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core import labels, score
from ensembles.voting.nodes import Node

Factors = tuple[float, ...]
#: Of one age group against the middle one; a step is a quarter, so that chance does not choose the last digit.
GRID = (0.4, 0.5, 0.64, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5)
UNCHANGED: Factors = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Adjusted(Node):
    """Its only member's probabilities, each class times the factors of its mask, gender and age, renormalised."""

    mask: Factors = UNCHANGED
    gender: Factors = (1.0, 1.0)
    age: Factors = UNCHANGED

    @property
    def label(self) -> str:
        return f"adjusted by {self._said}"

    @property
    def expression(self) -> str:
        return f"adjust({self.members[0]}, {self._said})"

    @property
    def _said(self) -> str:
        tasks = {task: getattr(self, task) for task in labels.TASKS}
        changed = {task: factors for task, factors in tasks.items() if len(set(factors)) > 1} or {"age": self.age}
        return ", ".join(f"{task}=({', '.join(f'{each:g}' for each in values)})" for task, values in changed.items())

    def vote(self, member_probs: Iterable[np.ndarray]) -> np.ndarray:
        (probs,) = member_probs
        return adjusted(probs, self.mask, self.gender, self.age)


def adjusted(probs: np.ndarray, mask: Factors, gender: Factors, age: Factors) -> np.ndarray:
    """(n, 18) probabilities times the factors of each class; as they are where all factors of a task are alike."""
    if all(len(set(factors)) == 1 for factors in (mask, gender, age)):
        return probs
    scaled = (np.array([factors]) / max(factors) for factors in (mask, gender, age))
    weighted = probs * labels.joint(*scaled)
    return weighted / weighted.sum(1, keepdims=True)


def choose_age_factors(probs: np.ndarray, true: np.ndarray) -> Factors:
    """The factors of the age groups, the middle one's 1, that make the macro F1 of these rows greatest; of those tied
    the nearest to no change. `probs` (n, 18), `true` (n,) int: 0..17."""
    every = [(young, 1.0, old) for young in GRID for old in GRID]
    every.sort(key=lambda factors: np.abs(np.log(factors)).sum())
    weights = [np.tile(factors, 6) for factors in every]  # age is a class's last part
    scores = [score.macro_f1(true, (probs * weight).argmax(1)) for weight in weights]
    return every[int(np.round(scores, 12).argmax())]
