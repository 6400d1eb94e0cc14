"""The vote is an expression: every node gives (n, 18) class probabilities, so any node can be a member of any other.

    multitask = soft(run("v5_multitask/effb0"), run("v5_multitask/resnext50"))
    if __name__ == "__main__":
        submit(__file__, multitask)

`submit` is the command line of an ensemble: it writes submissions/NAME.csv and .json and prints the
out-of-fold score of every node. The same code votes out-of-fold and test. Needs runs, not the data; free of torch.
"""

from __future__ import annotations

import csv
import io
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core import disk, runs, score
from core.refusal import Refusal


@dataclass(frozen=True, kw_only=True)
class Node:
    """Something that votes; `2 * node` is the same with twice the weight."""

    weight: float = 1.0

    def __mul__(self, factor: float) -> Node:
        if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not math.isfinite(factor) or factor <= 0:
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
        return np.tensordot(_shares(self.voters), np.stack([member.probs(part) for member in self.voters]), 1)


def run(name: str, fold: int | Literal["best"] | None = None) -> Node:
    """The finished run KERNEL/NAME: the mean of its folds, one fold, or the fold that scored best on the rows it held.

    Whether it is there is asked when the vote is taken.
    """
    return RunNode(name=name, fold=fold)


def soft(*members: Node) -> Node:
    """Soft vote: the mean of the members' probabilities, weighted as in ``soft(2 * a, b)``."""
    wrong = [member for member in members if not isinstance(member, Node)]
    if not members or wrong:
        raise Refusal(
            f"soft(...) votes over run(...) and other votes, not over {wrong[0]!r}"
            if wrong
            else "soft() has no members"
        )
    return Soft(voters=members)


def _shares(members: tuple[Node, ...]) -> np.ndarray:
    """The members' weights, scaled to sum to 1."""
    weights = np.array([member.weight for member in members], float)
    return weights / weights.sum()


def submit(file: str, vote: Node) -> None:
    """Write submissions/NAME.csv and NAME.json for the ensemble file NAME.py, after printing every node's score.

    Raises:
        Refusal: a member that is no finished run or belongs to another data set, an unknown flag, or
            a submission of this name that is there already (unless --force).
    """
    unknown = [word for word in sys.argv[1:] if word != "--force"]
    if unknown:
        raise Refusal(f"there is no flag {unknown[0]}; an ensemble takes --force alone")
    write(Path(file).stem, vote, force="--force" in sys.argv)


def write(name: str, vote: Node, force: bool = False) -> Path:
    """Take the vote, check it, write the submission; returns the CSV's path."""
    target = submissions() / f"{name}.csv"
    if target.exists() and not force:
        raise Refusal(f"{target}: is there already; give --force (make ensemble NAME={name} FORCE=1) to write it again")
    first = agreed(vote)
    tree = _tree(vote, first, 0)
    answers = vote.probs("test").argmax(1)
    about = {
        "tree": tree,
        "members": {
            leaf.name: {"sha256": leaf.loaded.about["sha256"], "commit": leaf.loaded.about["commit"]}
            for leaf in vote.leaves()
        },
        "rows": first.about["rows"],
        "labels": first.about["labels"],
        "class_counts": np.bincount(answers, minlength=18).tolist(),
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    disk.write_text(target, checked(first.test_ids, answers))
    disk.write_json(target.with_suffix(".json"), about)
    print(f"wrote {target}")
    return target


def submissions() -> Path:
    """$SUBMISSIONS, else submissions/ in the project."""
    return Path(os.environ.get("SUBMISSIONS") or disk.HOME / "submissions")


def agreed(vote: Node) -> runs.Run:
    """The first member, once all are seen to be of one data set. Refuses what cannot be compared, naming the run."""
    first, *others = (leaf.loaded for leaf in vote.leaves())
    for other in others:
        for field in ("rows", "labels"):
            if other.about[field] != first.about[field]:
                raise Refusal(
                    f"{other.name}: has other {field} than {first.name}; runs of two data sets cannot vote together"
                )
    return first


def _tree(node: Node, first: runs.Run, depth: int) -> dict[str, Any]:
    """Print the node's out-of-fold score under its parent's; the same as JSON."""
    scores = score.honest(first.rows, node.probs("oof"))
    weight = f"{node.weight:g} * " if node.weight != 1 else ""
    print(f"{'    ' * depth}{weight}{node.label}\n{'    ' * depth}  {score.line(scores)}")
    return {
        "vote": node.label,
        "weight": node.weight,
        "oof": scores,
        "members": [_tree(member, first, depth + 1) for member in node.members],
    }


def checked(ids: list[str], answers: np.ndarray) -> str:
    """The submission's text, once it is seen to hold each id once, in order, with a class 0..17."""
    if len(ids) != len(answers) or len(set(ids)) != len(ids) or not ((answers >= 0) & (answers <= 17)).all():
        raise Refusal("the vote does not answer each test image once with a class from 0 to 17")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("ImageID", "ans"), *zip(ids, answers.tolist(), strict=True)])
    return text.getvalue()
