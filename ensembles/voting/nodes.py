"""Who can vote: nodes, each an (n, 18) array of class probabilities whose rows sum to 1. Free of torch.

A finished run is a node, and so is every vote over nodes (ensembles/voting/votes.py).
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from core import places
from core.refusal import Refusal
from core.runs import reader

Fold = int | Literal["best"] | None


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
    def loaded(self) -> reader.Run:
        return _load(self.name, places.runs())

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
        scores = [fold["macro_f1"] for fold in self.loaded.manifest["folds"]]
        number = int(np.argmax(scores)) if self.fold == "best" else self.fold
        if number not in range(len(scores)):
            raise Refusal(f"{self.name}: has folds 0 to {len(scores) - 1}, not {self.fold!r}")
        if part == "test":
            return reader.fold_test(self.loaded, int(number or 0)).astype(np.float64)
        return np.where((self.loaded.rows["fold"] == number).to_numpy()[:, None], whole, np.nan)

    def leaves(self) -> Iterator[RunNode]:
        yield self


def _load(name: str, root: Path) -> reader.Run:
    """`reader.load`, once for all the places where a vote names the run, and again if the run was made again."""
    path = root / name / "run.json"
    return _loaded(name, root, path.stat().st_mtime_ns if path.is_file() else 0)


@functools.cache
def _loaded(name: str, root: Path, made: int) -> reader.Run:
    return reader.load(name)
