"""Writes a run while it is made: start.json first, run.json last, nothing half. Free of torch.

A finished run of the same name is kept unless forced; then the new one grows beside it and takes its place at the
end. A killed run is resumed if its start.json is the same.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, labels, places, recipe, score
from core.data.table import Table
from core.flags import flag_name
from core.recipe import Shared
from core.refusal import Refusal
from core.runs import foldrun, names, provenance, reader
from core.runs.manifest import FoldScores, Machine, Manifest, Start

#: What start.json tells of the data.
DIGESTS = ("ages", "extra", "images", "labels", "rows")


@dataclass
class RunWriter:
    """A run of this recipe by the kernel in `file`, being written to `folder`."""

    file: Path
    recipe: Shared
    folder: Path

    @property
    def force(self) -> bool:
        """Whether to start over an unfinished run that differs, and to replace a finished one."""
        return self.recipe.force or self.recipe.smoke

    def fold_folder(self, number: int) -> Path:
        return self.folder / "folds" / str(number)

    def begin(self, table: Table) -> None:
        """Write start.json, rows.csv, test.csv and the source, or see that they are what this command would write.
        Refuses: an unfinished run that was started otherwise; says in what."""
        self.table = table
        self.start = start = _start(self.file, self.recipe, table)
        if (self.folder / "start.json").is_file() and (changed := _changed(self.folder / "start.json", start)):
            if not self.force:
                advice = "give --force to start it over, or --name for another run"
                raise Refusal(f"{self.folder}: is an unfinished run with {changed}; {advice}")
            self.discard()
        disk.write_json(self.folder / "start.json", start)
        disk.write_json(self.folder / "where.json", {"data": os.path.abspath(table.root)})
        rows = table.train.frame[["file", "person", "age", "label"]].assign(fold=table.fold_of_row)
        for name, frame in (("rows.csv", rows), ("test.csv", table.test.frame[["ImageID"]])):
            disk.write_text(self.folder / name, frame.to_csv(index=False))
        disk.write(self.folder / "run.py", lambda temporary: shutil.copyfile(self.file, temporary))

    def discard(self) -> None:
        """Remove an unfinished run. Refuses while a process that outlived its parent still trains a fold of it."""
        for path in self.folder.glob("folds/*/.lock"):
            with disk.lock(path, f"{path.parent}"):
                pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def has_progress(self) -> bool:
        """Whether any epoch of the run is finished, so that there is something to lose."""
        return any(any(self.folder.glob(f"folds/*/{file}")) for file in ("checkpoint.pt", "test.npy"))

    def join(self) -> None:
        """Write oof.npy, each row from the fold that held it, and test.npy, the mean of all folds, never the best."""
        folds = self.table.folds
        oof = np.full((len(self.table.train), 18), np.nan, np.float32)
        test = np.zeros((len(self.table.test), 18))
        for number in folds:
            folder = self.fold_folder(number)
            held_out = self.table.fold_of_row == number
            oof[held_out], own = foldrun.predictions(folder, int(held_out.sum()), len(test))
            test += own / len(folds)
        disk.write_array(self.folder / "oof.npy", oof)
        disk.write_array(self.folder / "test.npy", test.astype(np.float32))

    def end(self, machine: Machine) -> Manifest:
        """Score the joined folds and write run.json: only now is this a run."""
        oof = np.load(self.folder / "oof.npy", allow_pickle=False)
        folds = [self._fold_scores(number, oof) for number in self.table.folds]
        manifest: Manifest = {
            **self.start,
            "scores": score.out_of_fold_summary(self.table.train.frame, oof),
            "folds": folds,
            "sha256": {name: disk.digest(self.folder / name) for name in reader.FILES},
            "classes": list(labels.CLASSES),
            "notes": self.table.notes,
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "machine": machine,
            "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
            "training_seconds": sum(fold["training_seconds"] for fold in folds),
        }
        disk.write_json(self.folder / "run.json", reader.sealed(manifest))
        return manifest

    def _fold_scores(self, number: int, oof: np.ndarray) -> FoldScores:
        held_out = self.table.fold_of_row == number
        frame = self.table.train.frame[held_out]
        true, predicted = frame["label"].to_numpy(), oof[held_out].argmax(1)
        weights = self.fold_folder(number) / "model.safetensors"
        return {
            "sha256": disk.digest(self.fold_folder(number) / "test.npy"),
            "weights": disk.digest(weights) if weights.is_file() else "",
            "people": int(frame["person"].nunique()),
            "macro_f1": score.macro_f1(true, predicted),
            "accuracy": score.accuracy(true, predicted),
            "training_seconds": sum(epoch["seconds"] for epoch in foldrun.read_log(self.fold_folder(number))),
        }


@contextmanager
def open_run(file: Path, name: str, recipe: Shared) -> Iterator[RunWriter]:
    """The run `name` of the kernel in `file`, held for this process until it is finished or given up.
    Refuses: a finished run of this name (unless forced), or another process at work on it."""
    final = places.runs() / file.parent.name / name
    shown = f"{file.parent.name}/{name}"
    names.require_plain(name)
    with disk.lock(final.with_name(f".{name}.lock"), f"the run {shown}"):
        _finish_swap(final)
        finished = (final / "run.json").is_file()
        run = RunWriter(file, recipe, final.with_name(f".{name}.new") if finished else final)
        if finished and not run.force:
            raise Refusal(f"{shown}: is finished; give --force to train it again, or --name for another run")
        yield run
        if finished and (run.folder / "run.json").is_file():
            put_in_place(run.folder, final)


def put_in_place(folder: Path, final: Path) -> None:
    """`folder` takes the place of `final`, whose lock the caller holds; killed at any moment, one of them is there."""
    _finish_swap(final)
    if final.is_dir():
        final.rename(final.with_name(f".{final.name}.old"))
    folder.rename(final)
    _finish_swap(final)


def _finish_swap(final: Path) -> None:
    """Whatever moment a swap was killed at, the old run or the new one ends up in place."""
    old = final.with_name(f".{final.name}.old")
    if old.is_dir() and not final.is_dir():
        old.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _start(file: Path, requested: Shared, table: Table) -> Start:
    return {
        "kernel": file.parent.name,
        "recipe": names.results(requested),
        "source": provenance.sources(file),
        "files": {field: disk.digest(path) for field, path in recipe.files(requested).items() if path.is_file()},
        "reused": {field: reader.load(name).manifest["sha256"] for field, name in recipe.runs(requested).items()},
        **table.digests(),  # type: ignore[typeddict-item]
    }


def _changed(path: Path, current: Start) -> str:
    """In what the run that left its start.json at `path` was started otherwise; empty if in nothing."""
    try:
        return _first_difference(disk.read_json(path), json.loads(json.dumps(current)))
    except (Refusal, KeyError, TypeError, AttributeError):
        return "a damaged start.json"


def _first_difference(stored: Start, current: Start) -> str:
    """In what the unfinished run was started otherwise than this command would; empty if in nothing."""
    old, new = stored["recipe"], current["recipe"]
    files = _differing(stored.get("files") or {}, current["files"])
    reused = _differing(stored.get("reused") or {}, current["reused"])
    changed = [f"{field} {old.get(field)} where this one has {new.get(field)}" for field in _differing(old, new)]
    changed += [f"another {name} than the present one" for name in _differing(stored["source"], current["source"])]
    changed += [f"other bytes in its --{flag_name(field)} file" for field in files]
    changed += [f"another state of the run that --{flag_name(field)} names" for field in reused]
    changed += [f"other {field} than --data has now" for field in _differing(stored, current) if field in DIGESTS]
    return changed[0] if changed else ""


def _differing(stored: Mapping[str, object], current: Mapping[str, object]) -> list[str]:
    return sorted(field for field in {*stored, *current} if stored.get(field) != current.get(field))
