"""The run on disk: what a finished run holds, and how it is read. Free of torch.

`run.json` is written last: a folder without it is not a run. writer.py writes what is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import disk, labels, places
from core.refusal import Refusal
from core.runs import names
from core.runs.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd

    from core.data.folds import Fold
    from core.data.table import Table

#: What run.json holds a digest of.
FILES = ("oof.npy", "test.npy", "rows.csv", "test.csv")


@dataclass(frozen=True)
class Run:
    """A finished run: `oof` (n_train, 18), NaN where no fold held the row, `test` (n_test, 18), float32."""

    name: str
    folder: Path
    manifest: Manifest
    rows: pd.DataFrame
    test_ids: list[str]
    oof: np.ndarray
    test: np.ndarray


def load(name: str, root: Path | None = None) -> Run:
    """The finished run KERNEL/NAME in `places.runs()`, or in `root`, checked.
    Refuses, in one line that names the run: no run.json, a file that differs from what was finished, another class
    order, NaN in test, rows that do not sum to 1 within 1e-3."""
    import pandas as pd

    folder = (root or places.runs()) / name
    if not (folder / "run.json").is_file():
        state = "is not finished" if folder.is_dir() else "is no run"
        raise Refusal(f"{name}: {state} in {root or places.runs()}; make it with {names.command(name)}")
    manifest = read_manifest(name, root)
    for file in FILES:
        if not (folder / file).is_file() or disk.digest(folder / file) != manifest["sha256"][file]:
            raise Refusal(f"{name}: {file} is not as the run left it; train it again with --force")
    if tuple(manifest["classes"]) != labels.CLASSES:
        raise Refusal(f"{name}: was made with another class order; train it again with --force")
    oof, test = (np.load(folder / file, allow_pickle=False) for file in ("oof.npy", "test.npy"))
    rows = pd.read_csv(folder / "rows.csv", dtype={"file": str, "person": str})
    test_ids = pd.read_csv(folder / "test.csv", dtype=str, keep_default_na=False)["ImageID"].tolist()
    _check(name, oof, test, len(rows), len(test_ids))
    return Run(name, folder, manifest, rows, test_ids, oof, test)


def load_fold(name: str, fold: Fold, table: Table) -> dict[str, np.ndarray]:
    """What this fold of a finished run predicted: "oof" (len(fold.held_out), 18) and "test" (n_test, 18), float32.
    Refuses: a run of other images than `table` has, or of other held-out rows, or a file that differs from what was
    finished."""
    run = load(name)
    if run.manifest["rows"] != table.digests()["rows"]:
        raise Refusal(f"{name}: was trained on other images than {table.root} has; name a run of this data set")
    if run.manifest.get("images", table.digests().get("images")) != table.digests().get("images"):
        raise Refusal(f"{name}: was trained on other photographs under the same names than {table.root} has now")
    held_out = run.rows["fold"] == fold.number
    if run.rows["file"][held_out].tolist() != fold.held_out.column("file").tolist():
        other = f"its fold {fold.number} held out other rows than this run's"
        raise Refusal(f"{name}: {other}; train both with the same --folds on one data set")
    return {"oof": run.oof[held_out], "test": fold_test(run, fold.number)}


def fold_test(run: Run, number: int) -> np.ndarray:
    """(n_test, 18) float32: what one fold of the run predicts of the test images."""
    path = run.folder / "folds" / str(number) / "test.npy"
    if not path.is_file() or disk.digest(path) != run.manifest["folds"][number]["sha256"]:
        file = path.relative_to(run.folder)
        raise Refusal(f"{run.name}: {file} is not as the run left it; train it again with --force")
    return np.load(path, allow_pickle=False)


def _check(name: str, oof: np.ndarray, test: np.ndarray, rows: int, ids: int) -> None:
    if oof.shape != (rows, 18) or test.shape != (ids, 18):
        shapes = f"{oof.shape} and {test.shape} probabilities for {rows} and {ids} images"
        raise Refusal(f"{name}: holds {shapes}; train it again")
    if np.isnan(test).any():
        raise Refusal(f"{name}: test.npy holds NaN; train it again with --force")
    sums = np.concatenate([oof[~np.isnan(oof).all(1)].sum(1), test.sum(1)])
    if not (np.abs(sums - 1) <= 1e-3).all():
        raise Refusal(f"{name}: holds rows that do not sum to 1; train it again with --force")


def seal(manifest: Mapping[str, object]) -> str:
    """A digest of all that run.json holds beside it."""
    return disk.text_digest(json.dumps({**manifest, "seal": ""}, sort_keys=True))


def sealed(manifest: Mapping[str, object]) -> dict[str, object]:
    """It with its seal, as it is written."""
    return {**manifest, "seal": seal(manifest)}


def is_as_sealed(manifest: Mapping[str, object]) -> bool:
    """Whether nobody changed it since; one of before there were seals passes."""
    return "seal" not in manifest or manifest["seal"] == seal(manifest)


def read_manifest(name: str, root: Path | None = None) -> Manifest:
    """run.json of the finished run KERNEL/NAME. Refuses one that is damaged, or not as the run left it."""
    try:
        manifest = disk.read_json((root or places.runs()) / name / "run.json")
        if not isinstance(manifest, dict) or not {"sha256", "classes", "scores", "rows", "labels"} <= set(manifest):
            raise ValueError(name)
        if not is_as_sealed(manifest):
            raise ValueError(name)
        return manifest  # type: ignore[return-value]
    except (ValueError, RecursionError):
        raise Refusal(f"{name}: its run.json is damaged; train it again with --force") from None


def folders(file: str, root: Path | None = None) -> list[tuple[str, Path]]:
    """(KERNEL/NAME, folder) of each run that has this file, except one that is trained again beside a finished one."""
    paths = (root or places.runs()).glob(f"*/*/{file}")
    found = sorted(path.parent for path in paths if not path.parent.name.startswith("."))
    return [(f"{folder.parent.name}/{folder.name}", folder) for folder in found]


def finished(root: Path | None = None) -> tuple[dict[str, Manifest], list[str]]:
    """run.json of every finished run, by name, and the names of the runs whose run.json is damaged or can't be read."""
    found: dict[str, Manifest] = {}
    damaged: list[str] = []
    for name, _ in folders("run.json", root):
        try:
            found[name] = read_manifest(name, root)
        except (Refusal, OSError):
            damaged.append(name)
    return found, damaged
