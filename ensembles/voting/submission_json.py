"""What NAME.json tells of a submission, and how it is known that nobody changed it or its CSV. Free of torch."""

from pathlib import Path
from typing import NotRequired, TypedDict, cast

import numpy as np

from core import disk, labels
from core.runs import reader
from core.score import Summary
from ensembles.voting.nodes import TreeNode

#: A letter for each class, and one for rows that no fold held out.
LETTERS = "abcdefghijklmnopqr-"


class RunDigests(TypedDict):
    """The files of a run that voted, and the commit that it was trained at."""

    sha256: dict[str, str]
    commit: str | None


class Manifest(TypedDict):
    """NAME.json. `oof` has a letter for each training row; `rows` and `labels` are the digests that its runs share,
    `answers` is that of the CSV's answers in any order, `seal` that of all the rest."""

    answers: NotRequired[str]
    seal: NotRequired[str]

    expression: str
    tree: TreeNode
    members: dict[str, RunDigests]
    rows: str
    labels: str
    class_counts: list[int]
    class_order: list[str]
    oof: str
    commit: str | None
    written: str


def answers_digest(ids: list[str], answers: np.ndarray) -> str:
    """Of which class each image was given, in whatever order they stand."""
    return disk.text_digest("\n".join(sorted(f"{image} {answer}" for image, answer in zip(ids, answers, strict=True))))


def made_elsewhere(counts: list[int]) -> Manifest:
    """What a JSON would hold of a submission that has none."""
    tree: TreeNode = {"vote": "made elsewhere", "weight": 1.0, "oof": None, "members": []}
    texts = dict.fromkeys(("rows", "labels", "oof", "written"), "")
    rest = {"tree": tree, "members": {}, "class_counts": counts, "class_order": list(labels.CLASSES), "commit": None}
    return cast(Manifest, {"expression": "made elsewhere", **texts, **rest})


def read(path: Path) -> Manifest:
    """The JSON file. Raises ValueError if it is not a submission's."""
    manifest = disk.read_json(path)
    if not isinstance(manifest, dict) or not _is_tree(manifest.get("tree")):
        raise ValueError("the JSON holds no vote")
    if not all(isinstance(manifest.get(key), str) for key in ("rows", "labels", "oof")):
        raise ValueError("the JSON lacks rows, labels or oof")
    if not reader.is_as_sealed(manifest):
        raise ValueError("the JSON is not as it was written")
    return manifest  # type: ignore[return-value]


def _is_tree(tree: object) -> bool:
    if not isinstance(tree, dict) or not TreeNode.__required_keys__ <= set(tree):
        return False
    scores, members = tree["oof"], tree["members"]
    scored = scores is None or (isinstance(scores, dict) and set(scores) >= Summary.__required_keys__)
    return scored and isinstance(members, list) and all(map(_is_tree, members))
