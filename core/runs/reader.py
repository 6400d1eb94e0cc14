"""The run on disk: what a finished run holds, and how it is read. Free of torch.

`run.json` is written last: a folder without it is not a run. `core.runs.writer` writes what is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import disk, labels, places
from core.refusal import Refusal
from core.runs import names

if TYPE_CHECKING:
    import pandas as pd

    from core.data.folds import Fold
    from core.data.table import Table


@dataclass(frozen=True)
class Run:
    """A finished run: `oof` (n_train, 18), NaN where no fold held the row, `test` (n_test, 18), float32."""

    name: str
    folder: Path
    about: dict[str, Any]
    rows: pd.DataFrame
    test_ids: list[str]
    oof: np.ndarray
    test: np.ndarray


def load(name: str) -> Run:
    """The finished run KERNEL/NAME below `places.runs()`, checked.

    Raises:
        Refusal: in one line that names the run: no run.json, a file that differs from what was
            finished, another class order, NaN in test, rows that do not sum to 1 within 1e-3.
    """
    import pandas as pd

    folder = places.runs() / name
    if not (folder / "run.json").is_file():
        raise Refusal(
            f"{name}: {'is not finished' if folder.is_dir() else 'is no run'} in {places.runs()}; make it with {names.command(name)}"
        )
    about = manifest(name)
    for file in ("oof.npy", "test.npy", "rows.csv", "test.csv"):
        if not (folder / file).is_file() or disk.digest(folder / file) != about["sha256"][file]:
            raise Refusal(f"{name}: {file} is not as the run left it; train it again with --force")
    if tuple(about["classes"]) != labels.CLASSES:
        raise Refusal(f"{name}: was made with another class order; train it again with --force")
    oof, test = (np.load(folder / file, allow_pickle=False) for file in ("oof.npy", "test.npy"))
    rows = pd.read_csv(folder / "rows.csv", dtype={"file": str, "person": str})
    test_ids = pd.read_csv(folder / "test.csv", dtype=str, keep_default_na=False)["ImageID"].tolist()
    _check(name, oof, test, len(rows), len(test_ids))
    return Run(name, folder, about, rows, test_ids, oof, test)


def load_fold(name: str, fold: Fold, table: Table) -> dict[str, np.ndarray]:
    """What a finished run said in its turn of this fold: "oof" (len(fold.held), 18) of the held rows, "test" (n, 18).

    Raises:
        Refusal: the run saw other images than `table` has, its fold held out other rows, or a file differs
            from what was finished.
    """
    run = load(name)
    if run.about["rows"] != table.digests()["rows"]:
        raise Refusal(f"{name}: was trained on other images than {table.root} has; name a run of this data set")
    mine = run.rows["fold"] == fold.number
    if run.rows["file"][mine].tolist() != fold.held.column("file").tolist():
        raise Refusal(
            f"{name}: its fold {fold.number} held out other rows than this run's; train both with the same --folds on one data set"
        )
    return {"oof": run.oof[mine], "test": fold_test(run, fold.number)}


def fold_test(run: Run, number: int) -> np.ndarray:
    """(n_test, 18) float32: what one fold of the run says of the test images."""
    path = run.folder / "folds" / str(number) / "test.npy"
    if not path.is_file() or disk.digest(path) != run.about["folds"][number]["sha256"]:
        raise Refusal(
            f"{run.name}: {path.relative_to(run.folder)} is not as the run left it; train it again with --force"
        )
    return np.load(path, allow_pickle=False)


def _check(name: str, oof: np.ndarray, test: np.ndarray, rows: int, ids: int) -> None:
    if oof.shape != (rows, 18) or test.shape != (ids, 18):
        raise Refusal(
            f"{name}: holds {oof.shape} and {test.shape} probabilities for {rows} and {ids} images; train it again"
        )
    if np.isnan(test).any():
        raise Refusal(f"{name}: test.npy holds NaN; train it again with --force")
    sums = np.concatenate([oof[~np.isnan(oof).all(1)].sum(1), test.sum(1)])
    if not (np.abs(sums - 1) <= 1e-3).all():
        raise Refusal(f"{name}: holds rows that do not sum to 1; train it again with --force")


def manifest(name: str) -> dict[str, Any]:
    """run.json of the finished run KERNEL/NAME.

    Raises:
        Refusal: it is damaged.
    """
    try:
        about = disk.read_json(places.runs() / name / "run.json")
        if not isinstance(about, dict) or not {"sha256", "classes", "scores"} <= set(about):
            raise ValueError(name)
        return about
    except (ValueError, RecursionError):
        raise Refusal(f"{name}: its run.json is damaged; train it again with --force") from None


def folders(file: str) -> list[tuple[str, Path]]:
    """(KERNEL/NAME, folder) of every run that has this file; what is being retrained beside an old run is left out."""
    found = sorted(path.parent for path in places.runs().glob(f"*/*/{file}") if not path.parent.name.startswith("."))
    return [(f"{folder.parent.name}/{folder.name}", folder) for folder in found]


def finished() -> tuple[list[dict[str, Any]], list[str]]:
    """run.json of every finished run, by name, and the names of the runs whose run.json is damaged or can't be read."""
    found: list[dict[str, Any]] = []
    damaged: list[str] = []
    for name, _ in folders("run.json"):
        try:
            found.append(manifest(name) | {"path": name})
        except (Refusal, OSError):
            damaged.append(name)
    return found, damaged
