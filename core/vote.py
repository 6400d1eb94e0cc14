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
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core import disk, runs, score
from core.nodes import Node, RunNode, Soft
from core.refusal import Refusal


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
    for member in (first, *others):
        if member.name.endswith("-smoke"):
            raise Refusal(f"{member.name}: is a smoke run and answers a few images only; train it without --smoke")
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
