"""Writes a run while it is made: start.json first, run.json last, nothing half. Free of torch.

A finished run of the same name is kept unless forced; then the new one grows beside it and takes
its place at the end. A killed run goes on if its start.json is the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from core import disk, foldrun, labels, runs, score
from core.data import Table
from core.refusal import Refusal

#: Core modules that look at runs or make data: no change in them changes what a run finds.
ONLOOKERS = {
    *("people.py", "cast.py", "person.py", "portrait.py", "brush.py", "masks.py", "photos.py"),
    *("gallery.py", "plots.py", "vote.py", "naming.py"),
}
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "opencv-python-headless",
    "numpy",
    "pandas",
    "scikit-learn",
)


@contextmanager
def place(kernel: str, name: str, force: bool) -> Iterator[Path]:
    """The folder to work in, held for this process until the run is finished or given up.

    Raises:
        Refusal: a finished run of this name (unless `force`), or another process at work on it.
    """
    final = runs.root() / kernel / name
    beside = final.with_name(f".{name}.new")
    if os.sep in name or name.startswith("."):
        raise Refusal(f"--name {name}: must be a plain name without {os.sep} or a leading dot")
    with disk.lock(final.with_name(f".{name}.lock"), f"the run {kernel}/{name}"):
        _finish_swap(final)
        finished = (final / "run.json").is_file()
        if finished and not force:
            raise Refusal(f"{kernel}/{name}: is finished; give --force to train it again, or --name for another run")
        work = beside if finished else final
        yield work
        if (work / "run.json").is_file() and work != final:
            final.rename(final.with_name(f".{name}.old"))
            work.rename(final)
            _finish_swap(final)


def _finish_swap(final: Path) -> None:
    """Whatever moment a swap was killed at, the old run or the new one ends up in place."""
    old = final.with_name(f".{final.name}.old")
    if old.is_dir() and not final.is_dir():
        old.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def begin(work: Path, file: Path, recipe: dict[str, Any], table: Table, folds: np.ndarray, force: bool) -> None:
    """Write start.json, rows.csv, test.csv and the source, or see that they are what this command would write.

    Raises:
        Refusal: the unfinished run there was started otherwise; says in what.
    """
    start = {"kernel": file.parent.name, "recipe": recipe, "source": sources(file), **table.digests()}
    if (work / "start.json").is_file():
        there = disk.read_json(work / "start.json")
        changed = _first_difference(there, json.loads(json.dumps(start)))
        if not changed:
            return
        if not force:
            raise Refusal(
                f"{work}: is an unfinished run with {changed}; give --force to start it over, or --name for another run"
            )
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    disk.write_json(work / "start.json", start)
    rows = table.train.frame[["file", "person", "age", "label"]].assign(fold=folds)
    disk.write(work / "rows.csv", lambda beside: rows.to_csv(beside, index=False))
    disk.write(work / "test.csv", lambda beside: table.test.frame[["ImageID"]].to_csv(beside, index=False))
    disk.write(work / "run.py", lambda beside: shutil.copyfile(file, beside))


def sources(file: Path) -> dict[str, str]:
    """sha256 of the kernel and of every core module that can change what it finds."""
    core = Path(__file__).parent
    files = {f"core/{path.name}": path for path in sorted(core.glob("*.py")) if path.name not in ONLOOKERS}
    return {
        name: disk.digest(path) for name, path in {f"kernels/{file.parent.name}/{file.name}": file, **files}.items()
    }


def _first_difference(there: dict[str, Any], here: dict[str, Any]) -> str | None:
    for field in sorted({*there["recipe"], *here["recipe"]}):
        old, new = there["recipe"].get(field), here["recipe"].get(field)
        if old != new:
            return f"{field} {old} where this one has {new}"
    for name in sorted({*there["source"], *here["source"]}):
        if there["source"].get(name) != here["source"].get(name):
            return f"another {name} than the present one"
    return next(
        (f"other {field} than --data has now" for field in ("rows", "labels") if there[field] != here[field]), None
    )


def join(work: Path, folds: np.ndarray, tests: int) -> None:
    """Write oof.npy, each row from the fold that held it, and test.npy, the mean of all folds and never the best."""
    oof = np.full((len(folds), 18), np.nan, np.float32)
    test = np.zeros((tests, 18))
    numbers = range(folds.max() + 1)
    for number in numbers:
        folder = work / "folds" / str(number)
        oof[folds == number] = np.load(folder / "oof.npy", allow_pickle=False)
        test += np.load(folder / "test.npy", allow_pickle=False) / len(numbers)
    disk.write_array(work / "oof.npy", oof)
    disk.write_array(work / "test.npy", test.astype(np.float32))


def end(work: Path, table: Table, folds: np.ndarray, machine: dict[str, Any]) -> dict[str, Any]:
    """Score the joined folds and write run.json: only now is this a run. Returns run.json."""
    oof, frame = np.load(work / "oof.npy", allow_pickle=False), table.train.frame
    each = [
        _fold(work / "folds" / str(number), frame[folds == number], oof[folds == number])
        for number in range(folds.max() + 1)
    ]
    about = {
        **disk.read_json(work / "start.json"),
        "scores": score.honest(frame, oof),
        "folds": each,
        "sha256": {name: disk.digest(work / name) for name in ("oof.npy", "test.npy", "rows.csv", "test.csv")},
        "classes": list(labels.CLASSES),
        "notes": table.notes,
        "commit": _commit(),
        "versions": {"python": sys.version.split()[0], **{name: metadata.version(name) for name in PACKAGES}},
        "machine": machine,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
        "seconds": sum(fold["seconds"] for fold in each),
    }
    disk.write_json(work / "run.json", about)
    return about


def _fold(folder: Path, frame: Any, oof: np.ndarray) -> dict[str, Any]:
    rows = foldrun.read_log(folder)
    true, predicted = frame["label"].to_numpy(), oof.argmax(1)
    return {
        "sha256": disk.digest(folder / "test.npy"),
        "people": int(frame["person"].nunique()),
        "macro_f1": score.macro_f1(true, predicted),
        "accuracy": score.accuracy(true, predicted),
        "seconds": sum(row["seconds"] for row in rows),
    }


def _commit() -> str | None:
    """The checkout's commit, marked + if files differ from it; None outside git."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(disk.HOME), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
