"""Submissions on disk: NAME.csv for the competition, NAME.json for comparisons. Free of torch.

NAME.json holds the vote as an expression and as a tree (each node's weight, out-of-fold score and interval), the
digests and commits of its runs, the predicted class counts, and the out-of-fold class of every training row, so
that two submissions can be compared person by person when their runs no longer exist.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from core import disk, labels, places
from core.refusal import Refusal, first_line
from core.runs import provenance, reader
from ensembles.voting import submission_json
from ensembles.voting.nodes import Node, print_scores
from ensembles.voting.submission_json import LETTERS, Manifest

#: The classes as a CSV writes them.
CLASSES = {str(label) for label in range(18)}
#: Names of other files in the folder of submissions.
RESERVED = ("leaderboard", "index", "compare")


def check_name(name: str) -> str:
    """The name, if it can be a submission's. Refuses anything but the plain name of a file."""
    if not re.fullmatch(r"[\w+][\w.+-]{0,99}", name) or name in RESERVED:
        allowed = f"a plain name of letters, digits and . + - _, and none of {', '.join(RESERVED)}"
        raise Refusal(f"--name {name}: must be {allowed}")
    return name


def write(name: str, vote: Node, force: bool = False) -> Path:
    """Print the vote's scores, check its answers, write the submission; returns the CSV's path."""
    target = places.submissions() / f"{check_name(name)}.csv"
    if target.exists() and not force:
        raise Refusal(f"{target}: exists already; give --force (make ensemble NAME={name} FORCE=1) to replace it")
    tree, oof = print_scores(vote)
    first = next(vote.leaves()).loaded
    answers = vote.probs("test").argmax(1)
    loaded = {leaf.name: leaf.loaded.manifest for leaf in vote.leaves()}
    manifest: Manifest = {
        "expression": str(vote),
        "tree": tree,
        "members": {key: {"sha256": run["sha256"], "commit": run["commit"]} for key, run in loaded.items()},
        "rows": first.manifest["rows"],
        "labels": first.manifest["labels"],
        "class_counts": np.bincount(answers, minlength=18).tolist(),
        "class_order": list(labels.CLASSES),
        "oof": "".join(LETTERS[label] for label in oof),
        "commit": provenance.commit(),
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
        "answers": submission_json.answers_digest(first.test_ids, answers),
    }
    disk.write_text(target, csv_text(first.test_ids, answers))
    disk.write_json(target.with_suffix(".json"), reader.sealed(manifest))
    kept = first.folder / "where.json"  # git ignores what is written of it: a path is this machine's
    data = disk.read_json(kept)["data"] if kept.is_file() else ""
    disk.write_json(target.with_suffix(".where"), {"run": os.path.abspath(first.folder), "data": data})
    print(f"wrote {target}")
    return target


def csv_text(ids: list[str], answers: np.ndarray) -> str:
    """The CSV file's text. Refuses answers that do not give each id once, with a class 0..17."""
    if len(ids) != len(answers) or len(set(ids)) != len(ids) or not ((answers >= 0) & (answers <= 17)).all():
        raise Refusal("the vote does not answer each test image once with a class from 0 to 17")
    return disk.csv_text([("ImageID", "ans"), *zip(ids, answers.tolist(), strict=True)])


@dataclass(frozen=True)
class Submission:
    """A submission on disk: `test` (n_test,) and `oof` (n_train,) classes 0..17, -1 where no fold held out the row."""

    name: str
    manifest: Manifest
    ids: list[str]
    test: np.ndarray
    oof: np.ndarray

    def like(self, other: Submission) -> Submission:
        """The same answers in the order of `other`, which answers the same images. Refuses one that does not."""
        place = {image: at for at, image in enumerate(self.ids)}
        if set(place) != set(other.ids) or len(self.ids) != len(other.ids):
            raise Refusal(f"{self.name}: answers other images than {other.name}; write it again with --force")
        oof = self.oof if self.manifest["rows"] else np.full(len(other.oof), -1)
        return replace(self, ids=other.ids, test=self.test[[place[image] for image in other.ids]], oof=oof)

    def rows(self) -> pd.DataFrame | None:
        """file, person, age and label of every training row, from any finished run of the data set; else None."""
        own = self.manifest["rows"], self.manifest["labels"]
        folder = where(self.name, "run")
        for root in dict.fromkeys([places.runs(), *([folder.parent.parent] if folder else [])]):
            for name, run in reader.finished(root)[0].items():
                with suppress(Refusal):  # a damaged run; another may be readable
                    if (run["rows"], run["labels"]) == own and len(rows := reader.load(name, root).rows) == len(
                        self.oof
                    ):
                        return rows[["file", "person", "age", "label"]]
        return None


def where(name: str, what: Literal["run", "data"]) -> Path | None:
    """Where a run of the submission's vote, or its data, was on this machine, if it is there still."""
    with suppress(Refusal, OSError, KeyError, TypeError):
        folder = Path(disk.read_json(places.submissions() / f"{name}.where")[what])
        return folder if folder.is_absolute() and folder.is_dir() else None
    return None


def names() -> list[str]:
    """Every submission, by name; one that was made elsewhere has no JSON."""
    return sorted(path.stem for path in places.submissions().glob("*.csv") if path.stem not in RESERVED)


def load(name: str) -> Submission:
    """The submission NAME; one without a JSON, made elsewhere, has no rows out of fold.
    Refuses one that does not exist, or whose CSV or JSON is damaged."""
    path = places.submissions() / f"{name}.csv"
    if not path.is_file():
        known = ", ".join(names()) or "none yet; make one with make ensemble NAME=..."
        raise Refusal(f"{name}: is no submission in {places.submissions()}; there are {known}")
    frame = disk.read_csv(path, ("ImageID", "ans"))
    for image, answer in zip(frame["ImageID"], frame["ans"], strict=True):
        if answer not in CLASSES:
            raise Refusal(f"{path}: ans {answer!r} of {image} is not a class from 0 to 17")
    for image in frame["ImageID"][frame["ImageID"].duplicated()]:
        raise Refusal(f"{path}: ImageID {image} stands twice")
    test = frame["ans"].to_numpy().astype(int)
    counts, source = np.bincount(test, minlength=18).tolist(), path.with_suffix(".json")
    if not source.is_file():
        return Submission(
            name, submission_json.made_elsewhere(counts), frame["ImageID"].tolist(), test, np.empty(0, int)
        )
    try:
        manifest = submission_json.read(source)
        oof = np.array([LETTERS.index(letter) for letter in manifest["oof"]])
        own = submission_json.answers_digest(frame["ImageID"].tolist(), test)
        if counts != manifest["class_counts"] or manifest.get("answers", own) != own:
            raise ValueError("the CSV has other answers than the JSON tells of")
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path}: does not match its .json ({first_line(error)}); write it again with --force") from None
    return Submission(name, manifest, frame["ImageID"].tolist(), test, np.where(oof == 18, -1, oof))
