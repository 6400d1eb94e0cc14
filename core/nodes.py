"""What a vote is made of: nodes, each an (n, 18) array of class probabilities whose rows sum to 1. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from core import runs
from core.refusal import Refusal


@dataclass(frozen=True, kw_only=True)
class Node:
    """Something that votes; `2 * node` is the same with twice the weight."""

    weight: float = 1.0

    def __mul__(self, factor: float) -> Node:
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not number or not 0 < factor < math.inf or not 0 < self.weight * factor < math.inf:
            raise Refusal(f"weight {factor!r}: must be a positive number")
        return replace(self, weight=self.weight * factor)

    __rmul__ = __mul__

    @property
    def members(self) -> tuple[Node, ...]:
        return ()

    @property
    def label(self) -> str:
        """The node's own word in the printed tree."""
        raise NotImplementedError

    def probs(self, part: str) -> np.ndarray:
        """(n, 18) float64, rows sum to 1; `part` is "oof" (NaN where a member held no row) or "test"."""
        raise NotImplementedError

    def leaves(self) -> Iterator[RunNode]:
        for member in self.members:
            yield from member.leaves()


@dataclass(frozen=True, kw_only=True)
class RunNode(Node):
    """A finished run, or one fold of it, read when it is first asked."""

    name: str
    fold: int | Literal["best"] | None = None

    @cached_property
    def loaded(self) -> runs.Run:
        return runs.load(self.name)

    @property
    def label(self) -> str:
        return f'run("{self.name}")' if self.fold is None else f'run("{self.name}", fold={self.fold!r})'

    def probs(self, part: str) -> np.ndarray:
        whole = {"oof": self.loaded.oof, "test": self.loaded.test}[part].astype(np.float64)
        found = whole if self.fold is None else self._of_fold(part, whole)
        return found / found.sum(1, keepdims=True)

    def _of_fold(self, part: str, whole: np.ndarray) -> np.ndarray:
        """One fold's word: on test all of it, out of fold only the rows that it held."""
        scores = [fold["macro_f1"] for fold in self.loaded.about["folds"]]
        number = int(np.argmax(scores)) if self.fold == "best" else self.fold
        if number not in range(len(scores)):
            raise Refusal(f"{self.name}: has folds 0 to {len(scores) - 1}, not {self.fold!r}")
        if part == "test":
            return runs.fold_test(self.loaded, int(number or 0)).astype(np.float64)
        return np.where((self.loaded.rows["fold"] == number).to_numpy()[:, None], whole, np.nan)

    def leaves(self) -> Iterator[RunNode]:
        yield self


@dataclass(frozen=True, kw_only=True)
class Soft(Node):
    """The weighted mean of the members' probabilities."""

    voters: tuple[Node, ...]

    @property
    def members(self) -> tuple[Node, ...]:
        return self.voters

    @property
    def label(self) -> str:
        return "soft"

    def probs(self, part: str) -> np.ndarray:
        return np.tensordot(shares(self.voters), np.stack([member.probs(part) for member in self.voters]), 1)


def shares(members: tuple[Node, ...]) -> np.ndarray:
    """The members' weights, scaled to sum to 1."""
    weights = np.array([member.weight for member in members], float)
    weights /= weights.max()  # so that no sum overflows
    return weights / weights.sum()
