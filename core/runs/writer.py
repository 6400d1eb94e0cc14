"""Writes a run while it is made: start.json first, run.json last, nothing half. Free of torch.

A finished run of the same name is kept unless forced; then the new one grows beside it and takes
its place at the end. A killed run goes on if its start.json is the same.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from core import disk, labels, places, score
from core.data.table import Table
from core.refusal import Refusal
from core.runs import foldrun, names, provenance, reader


@contextmanager
def place(kernel: str, name: str, force: bool) -> Iterator[Path]:
    """The folder to work in, held for this process until the run is finished or given up.

    Raises:
        Refusal: a finished run of this name (unless `force`), or another process at work on it.
    """
    final = places.runs() / kernel / name
    beside = final.with_name(f".{name}.new")
    plain = name.isprintable() and name == name.strip() and os.sep not in name and not name.startswith(".")
    if not plain or len(os.fsencode(name)) > names.LONGEST_NAME:
        raise Refusal(
            f"--name {name}: must be a plain name without {os.sep} or a leading dot, at most {names.LONGEST_NAME} bytes"
        )
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
    weights = Path(recipe["weights"])
    start = {
        "kernel": file.parent.name,
        "recipe": recipe,
        "source": provenance.sources(file),
        "weights": disk.digest(weights) if weights.is_file() else None,
        "reused": reader.load(recipe["reuse"]).about["sha256"] if recipe.get("reuse") else None,
        **table.digests(),
    }
    if (work / "start.json").is_file():
        changed = _first_difference(disk.read_json(work / "start.json"), json.loads(json.dumps(start)))
        if changed and not force:
            raise Refusal(
                f"{work}: is an unfinished run with {changed}; give --force to start it over, or --name for another run"
            )
        if changed:
            discard(work)
    disk.write_json(work / "start.json", start)
    rows = table.train.frame[["file", "person", "age", "label"]].assign(fold=folds)
    disk.write(work / "rows.csv", lambda beside: rows.to_csv(beside, index=False))
    disk.write(work / "test.csv", lambda beside: table.test.frame[["ImageID"]].to_csv(beside, index=False))
    disk.write(work / "run.py", lambda beside: shutil.copyfile(file, beside))


def discard(work: Path) -> None:
    """Remove an unfinished run. Refuses while a process that outlived its parent still trains a fold of it."""
    for path in work.glob("folds/*/.lock"):
        with disk.lock(path, f"{path.parent}"):
            pass
    shutil.rmtree(work, ignore_errors=True)


def begun(work: Path) -> bool:
    """Whether any epoch of the run is finished, so that there is something to lose."""
    return any(work.glob("folds/*/checkpoint.pt")) or any(work.glob("folds/*/test.npy"))


def _first_difference(there: dict[str, Any], here: dict[str, Any]) -> str | None:
    for field in sorted({*there["recipe"], *here["recipe"]}):
        old, new = there["recipe"].get(field), here["recipe"].get(field)
        if old != new:
            return f"{field} {old} where this one has {new}"
    for name in sorted({*there["source"], *here["source"]}):
        if there["source"].get(name) != here["source"].get(name):
            return f"another {name} than the present one"
    if there["weights"] != here["weights"]:
        return "other bytes in its --weights file"
    if there.get("reused") != here["reused"]:
        return "another state of the run that it reuses"
    changed = [field for field in ("rows", "ages", "labels") if there[field] != here[field]]
    return f"other {changed[0]} than --data has now" if changed else None


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
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": machine,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
        "training_seconds": sum(fold["training_seconds"] for fold in each),
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
        "training_seconds": sum(row["seconds"] for row in rows),
    }
