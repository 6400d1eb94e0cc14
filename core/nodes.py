"""What a vote is made of: nodes, each an (n, 18) array of class probabilities whose rows sum to 1. Free of torch.

A row that a member never held (NaN) is NaN in every vote over it. The same code votes out-of-fold and test.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from core import labels, runs
from core.refusal import Refusal

#: Shares of a hard vote that lie closer than this are a tie; also what the mean probability counts beside them.
TIE = 1e-6
#: Mean probabilities that lie closer than this are the same but for rounding.
SAME = 1e-9
#: What the first-named member's class gains where the means tie too: more than SAME * TIE, less than anyone sees.
NUDGE = 1e-12
#: (18, 8): class probabilities times this are the 3 + 2 + 3 marginals, in one product.
MARGINALS = np.concatenate(labels.marginals(np.eye(18)), 1)
Fold = int | Literal["best"] | None
Per = Literal["class", "attribute"]


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
        """The node's own words in the printed tree, without its weight and its members."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The expression that makes this node, its weight included."""
        raise NotImplementedError

    def probs(self, part: str) -> np.ndarray:
        """(n, 18) float64, rows sum to 1; `part` is "oof" (NaN where a member held no row) or "test"."""
        raise NotImplementedError

    def leaves(self) -> Iterator[RunNode]:
        for member in self.members:
            yield from member.leaves()

    def _weighted(self, expression: str) -> str:
        return f"{self.weight:.15g} * {expression}" if self.weight != 1 else expression


@dataclass(frozen=True, kw_only=True)
class RunNode(Node):
    """A finished run, or one fold of it, read when it is first asked."""

    name: str
    fold: Fold = None

    @property
    def loaded(self) -> runs.Run:
        return _load(self.name, runs.root())

    @property
    def label(self) -> str:
        name = json.dumps(self.name, ensure_ascii=False)
        return f"run({name})" if self.fold is None else f"run({name}, fold={json.dumps(self.fold)})"

    def __str__(self) -> str:
        return self._weighted(self.label)

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


def _load(name: str, root: Path) -> runs.Run:
    """`runs.load`, once for all the places where a vote names the run, and again if the run was made again."""
    path = root / name / "run.json"
    return _loaded(name, root, path.stat().st_mtime_ns if path.is_file() else 0)


@functools.cache
def _loaded(name: str, root: Path, made: int) -> runs.Run:
    return runs.load(name)


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
