"""Nodes of a vote: each gives (n, 18) class probabilities whose rows sum to 1, and is scored. Free of torch.

A finished run is a node, and so is every vote over nodes (ensembles/voting/votes.py).
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from core import places, score
from core.refusal import Refusal
from core.runs import reader

Fold = int | Literal["best"] | None
#: Out-of-fold predictions of the training images, or predictions of the test images.
Part = Literal["oof", "test"]


def is_weight(value: object) -> bool:
    """Whether it is a positive, finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


@dataclass(frozen=True, kw_only=True)
class Node:
    """A run or a vote over `members`; `2 * node` is the same node with twice the weight."""

    weight: float = 1.0
    members: tuple[Node, ...] = ()

    def __mul__(self, factor: float) -> Node:
        if not is_weight(factor) or not is_weight(self.weight * factor):
            raise Refusal(f"weight {factor!r}: must be a positive number")
        return replace(self, weight=self.weight * factor)

    __rmul__ = __mul__

    @property
    def expression(self) -> str:
        """The expression that makes this node, without its weight."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The node in the printed tree, without its weight and its members."""
        return self.expression

    def __str__(self) -> str:
        return f"{self.weight:.15g} * {self.expression}" if self.weight != 1 else self.expression

    def probs(self, part: Part) -> np.ndarray:
        """(n, 18) float64, rows sum to 1; out of fold, NaN where a member did not hold out the row."""
        return self.vote(member.probs(part) for member in self.members)

    def vote(self, member_probs: Iterable[np.ndarray]) -> np.ndarray:
        """(n, 18): the node's probabilities if its members' are these (n, 18)."""
        raise NotImplementedError

    def over(self, runs: dict[str, np.ndarray]) -> np.ndarray:
        """(n, 18): the node's probabilities if those of each run, by its name, are these (n, 18)."""
        return self.vote(member.over(runs) for member in self.members)

    def leaves(self) -> Iterator[RunNode]:
        """Every run below this node, in order."""
        for member in self.members:
            yield from member.leaves()


@dataclass(frozen=True, kw_only=True)
class RunNode(Node):
    """A finished run, or one fold of it, read when it is first needed."""

    name: str
    fold: Fold = None

    @property
    def loaded(self) -> reader.Run:
        """The run, read once however often a vote names it, and again if it was trained again."""
        path = places.runs() / self.name / "run.json"
        return _load(self.name, places.runs(), path.stat().st_mtime_ns if path.is_file() else 0)

    @property
    def expression(self) -> str:
        name = json.dumps(self.name, ensure_ascii=False)
        return f"run({name})" if self.fold is None else f"run({name}, fold={json.dumps(self.fold)})"

    def probs(self, part: Part) -> np.ndarray:
        probs = {"oof": self.loaded.oof, "test": self.loaded.test}[part].astype(np.float64)
        if self.fold is not None:
            probs = self._of_fold(part, probs)
        return probs / probs.sum(1, keepdims=True)

    def _of_fold(self, part: Part, probs: np.ndarray) -> np.ndarray:
        """One fold's probabilities: of all test images, or out of fold of the rows that it held out (NaN elsewhere)."""
        scores = [fold["macro_f1"] for fold in self.loaded.manifest["folds"]]
        number = self.fold if isinstance(self.fold, int) else int(np.argmax(scores))
        if number not in range(len(scores)):
            raise Refusal(f"{self.name}: has folds 0 to {len(scores) - 1}, not {self.fold!r}")
        if part == "test":
            return reader.fold_test(self.loaded, number).astype(np.float64)
        return np.where((self.loaded.rows["fold"] == number).to_numpy()[:, None], probs, np.nan)

    def over(self, runs: dict[str, np.ndarray]) -> np.ndarray:
        if self.fold is not None:
            raise Refusal(f"{self.expression}: one fold alone cannot look at other photographs; take the whole run")
        probs = runs[self.name].astype(np.float64)
        return probs / probs.sum(1, keepdims=True)

    def leaves(self) -> Iterator[RunNode]:
        yield self


@functools.cache
def _load(name: str, root: Path, modified: int) -> reader.Run:
    return reader.load(name)


class TreeNode(TypedDict):
    """One node of a vote: its label, and its out-of-fold scores, None if too few people were held out."""

    vote: str
    weight: float
    oof: score.Summary | None
    members: list[TreeNode]


def print_scores(vote: Node) -> tuple[TreeNode, np.ndarray]:
    """Print every node's out-of-fold score, each below its parent's.
    Returns the tree as JSON, and (n_train,) the vote's out-of-fold classes, -1 where a member did not hold out the row.
    Refuses: members of two data sets, a smoke run, a run that is missing or damaged."""
    first = check_same_data(vote)
    tree, probs = _score_tree(vote, first)
    _print_tree(tree, 0)
    return tree, np.where(np.isnan(probs[:, 0]), -1, probs.argmax(1))


def check_same_data(vote: Node) -> reader.Run:
    """The first run of the vote. Refuses a smoke run and runs of different data sets, with the run's name."""
    first, *_ = runs = [leaf.loaded for leaf in vote.leaves()]
    for run in runs:
        if run.name.endswith("-smoke"):
            raise Refusal(f"{run.name}: is a smoke run and answers only a few images; train it without --smoke")
        own, other = run.manifest, first.manifest
        if (own["rows"], own["labels"]) != (other["rows"], other["labels"]):
            clash = f"has other {'labels' if own['rows'] == other['rows'] else 'rows'} than {first.name}"
            raise Refusal(f"{run.name}: {clash}; runs of two data sets cannot vote together")
    _check_same_photographs(runs)
    return first


def _check_same_photographs(runs: list[reader.Run]) -> None:
    """Refuses runs that saw other photographs under the same names; runs from before this was written down vote."""
    digests = {run.name: run.manifest.get("images") for run in runs}
    known = {name: digest for name, digest in digests.items() if digest}
    first = next(iter(known), "")
    for name, digest in known.items():
        if digest != known[first]:
            raise Refusal(f"{name}: was trained on other photographs under the same names than {first}; train it again")
    if known and len(known) < len(digests):
        unknown = ", ".join(sorted(set(digests) - set(known)))
        print(f"not known whether these saw the same photographs as the others: {unknown}", file=sys.stderr)


def _score_tree(node: Node, first: reader.Run) -> tuple[TreeNode, np.ndarray]:
    """The node as JSON, and its out-of-fold probabilities; each node's are computed once."""
    members = [_score_tree(member, first) for member in node.members]
    probs = node.vote(probs for _, probs in members) if node.members else node.probs("oof")
    # a complete run was scored when it was finished
    stored = node.loaded.manifest["scores"] if isinstance(node, RunNode) and node.fold is None else None
    scores, trees = stored or score.out_of_fold_summary(first.rows, probs), [tree for tree, _ in members]
    return {"vote": node.label, "weight": node.weight, "oof": scores, "members": trees}, probs


def _print_tree(tree: TreeNode, depth: int) -> None:
    weight = f"{tree['weight']:g} * " if tree["weight"] != 1 else ""
    print(f"{'    ' * depth}{weight}{tree['vote']}\n{'    ' * depth}  {score.line(tree['oof'])}")
    for member in tree["members"]:
        _print_tree(member, depth + 1)
