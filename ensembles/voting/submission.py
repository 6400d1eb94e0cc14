"""Submissions on disk: NAME.csv for the competition, NAME.json for whoever compares. Free of torch.

NAME.json holds the vote as an expression and as a tree (each node's weight, out-of-fold score and interval), the
digests and commits of its members, how often each class is predicted, and what the vote says of every training
row out of fold, so that two submissions can be compared person by person after their runs are gone.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import disk, labels, places, score
from core.refusal import Refusal
from core.runs import provenance, reader
from ensembles.voting.nodes import Node, RunNode
from ensembles.voting.votes import Vote

if TYPE_CHECKING:
    import pandas as pd

#: A letter for each class, and one for rows that no fold held.
LETTERS = "abcdefghijklmnopqr-"
#: Files that live beside the submissions.
TAKEN = ("leaderboard", "index", "compare")


def check_name(name: str) -> str:
    """The name, if it can be a submission's. Refuses what is not the plain name of a file."""
    if not re.fullmatch(r"[\w+][\w.+-]{0,99}", name) or name in TAKEN:
        raise Refusal(
            f"--name {name}: must be a plain name of letters, digits and . + - _, and none of {', '.join(TAKEN)}"
        )
    return name


def write(name: str, vote: Node, force: bool = False) -> Path:
    """Take the vote, check it, write the submission; returns the CSV's path."""
    target = places.submissions() / f"{check_name(name)}.csv"
    if target.exists() and not force:
        raise Refusal(f"{target}: is there already; give --force (make ensemble NAME={name} FORCE=1) to write it again")
    tree, oof = show(vote)
    first = next(vote.leaves()).loaded
    answers = vote.probs("test").argmax(1)
    manifest = {
        "expression": str(vote),
        "tree": tree,
        "members": {
            leaf.name: {"sha256": leaf.loaded.manifest["sha256"], "commit": leaf.loaded.manifest["commit"]}
            for leaf in vote.leaves()
        },
        "rows": first.manifest["rows"],
        "labels": first.manifest["labels"],
        "class_counts": np.bincount(answers, minlength=18).tolist(),
        "class_order": list(labels.CLASSES),
        "oof": "".join(LETTERS[said] for said in oof),
        "commit": provenance.commit(),
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    disk.write_text(target, checked(first.test_ids, answers))
    disk.write_json(target.with_suffix(".json"), manifest)
    print(f"wrote {target}")
    return target


def show(vote: Node) -> tuple[dict[str, Any], np.ndarray]:
    """Print every node's out-of-fold score under its parent's.

    Returns:
        The tree as JSON, and (n_train,) what the vote says of each row out of fold, -1 where no member held it.

    Raises:
        Refusal: members of two data sets, a smoke run, a run that is not there or was damaged.
    """
    first = agreed(vote)
    tree, probs = _scored(vote, first)
    _print(tree, 0)
    return tree, np.where(np.isnan(probs[:, 0]), -1, probs.argmax(1))


def agreed(vote: Node) -> reader.Run:
    """The first member, once all are seen to be of one data set. Refuses what cannot be compared, naming the run."""
    first, *others = (leaf.loaded for leaf in vote.leaves())
    for member in (first, *others):
        if member.name.endswith("-smoke"):
            raise Refusal(f"{member.name}: is a smoke run and answers a few images only; train it without --smoke")
    for other in others:
        for field in ("rows", "labels"):
            if other.manifest[field] != first.manifest[field]:
                raise Refusal(
                    f"{other.name}: has other {field} than {first.name}; runs of two data sets cannot vote together"
                )
    return first


def _scored(node: Node, first: reader.Run) -> tuple[dict[str, Any], np.ndarray]:
    """The node as JSON, and its out-of-fold probabilities; each node's are computed once."""
    below = [_scored(member, first) for member in node.members]
    probs = node.taken(probs for _, probs in below) if isinstance(node, Vote) else node.probs("oof")
    # a whole run was scored when it was finished
    known = node.loaded.manifest["scores"] if isinstance(node, RunNode) and node.fold is None else None
    return {
        "vote": node.label,
        "weight": node.weight,
        "oof": known or score.out_of_fold_summary(first.rows, probs),
        "members": [tree for tree, _ in below],
    }, probs


def _print(tree: dict[str, Any], depth: int) -> None:
    weight = f"{tree['weight']:g} * " if tree["weight"] != 1 else ""
    print(f"{'    ' * depth}{weight}{tree['vote']}\n{'    ' * depth}  {score.line(tree['oof'])}")
    for member in tree["members"]:
        _print(member, depth + 1)


def checked(ids: list[str], answers: np.ndarray) -> str:
    """The submission's text, once it is seen to hold each id once, in order, with a class 0..17."""
    if len(ids) != len(answers) or len(set(ids)) != len(ids) or not ((answers >= 0) & (answers <= 17)).all():
        raise Refusal("the vote does not answer each test image once with a class from 0 to 17")
    return disk.csv_text([("ImageID", "ans"), *zip(ids, answers.tolist(), strict=True)])


@dataclass(frozen=True)
class Submission:
    """A written submission: `test` (n_test,) and `oof` (n_train,) classes 0..17, -1 where no fold held the row."""

    name: str
    manifest: dict[str, Any]
    ids: list[str]
    test: np.ndarray
    oof: np.ndarray

    def rows(self) -> pd.DataFrame | None:
        """file, person, age and label of every training row, if a finished run of the same data set is left to ask."""
        wanted = (self.manifest["rows"], self.manifest["labels"], len(self.oof))
        for name, folder in reader.folders("run.json"):
            try:
                run = disk.read_json(folder / "run.json")
                if (run["rows"], run["labels"]) == wanted[:2] and len(rows := reader.load(name).rows) == wanted[2]:
                    return rows[["file", "person", "age", "label"]]
            except ValueError:  # a damaged run is told of where it votes; here another one can be asked
                continue
        return None


def names() -> list[str]:
    """Every submission that has both files, by name."""
    return sorted(path.stem for path in places.submissions().glob("*.json") if path.with_suffix(".csv").is_file())


def load(name: str) -> Submission:
    """The submission NAME. Refuses one that is not there, or whose CSV or JSON was damaged."""

    path = places.submissions() / f"{name}.csv"
    if not path.is_file() or not path.with_suffix(".json").is_file():
        known = ", ".join(names()) or "none yet; make one with make ensemble NAME=..."
        raise Refusal(f"{name}: is no submission in {places.submissions()}; there are {known}")
    frame = disk.read_csv(path, ("ImageID", "ans"))
    try:
        manifest = disk.read_json(path.with_suffix(".json"))
        oof = np.array([LETTERS.index(letter) for letter in manifest["oof"]])
        test = frame["ans"].to_numpy().astype(int)
        if np.bincount(test, minlength=18).tolist() != manifest["class_counts"]:
            raise ValueError("the CSV has other answers than the JSON counts")
    except (ValueError, KeyError) as error:
        raise Refusal(f"{path}: does not go with its .json ({error}); write it again with --force") from None
    return Submission(name, manifest, frame["ImageID"].tolist(), test, np.where(oof == 18, -1, oof))
