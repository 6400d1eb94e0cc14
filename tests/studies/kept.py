"""What is kept of a study's runs, small enough for git: docs/studies/NAME/ARM-seedS.npz, and people.npz for all.

A result holds its recipe, the digests of rows and sources, the predicted classes as letters (exact), and the
probabilities rounded to three digits, which votes are made of.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core import disk, labels
from core.refusal import Refusal
from core.runs import foldrun, names, reader
from tests.studies.table import Run

#: Class 0 to 17 as a letter.
LETTERS = np.frombuffer(b"abcdefghijklmnopqr", np.uint8)
#: Probabilities are kept as whole thousandths.
THOUSANDTHS = 1000


@dataclass(frozen=True)
class People:
    """Of each training row (n,) and test row (m,): the person's number and the true class; the fold that held the
    training row out; and the data's digests."""

    digests: dict[str, str]
    person: np.ndarray
    label: np.ndarray
    fold: np.ndarray
    test_person: np.ndarray
    test_label: np.ndarray


@dataclass(frozen=True)
class Result:
    """A run's predictions: classes (n,) and (m,), probabilities (n, 18) and (m, 18) float64 that sum to 1, and the
    classes (folds, m) that each fold predicts of the test images. `about` is what else is kept, see `keep`."""

    about: dict[str, Any]
    oof: np.ndarray
    test: np.ndarray
    oof_probs: np.ndarray
    test_probs: np.ndarray
    fold_tests: np.ndarray


def people_of(run: Run, root: Path) -> People:
    """From a finished run and the competition's answers.csv, which must have a column person."""
    loaded = reader.load(run.planned.name)
    answers = disk.read_csv(root / "answers.csv", ("ImageID", "ans", "person")).set_index("ImageID")
    if missing := set(loaded.test_ids) - set(answers.index):
        raise Refusal(f"{root / 'answers.csv'}: has no answer for {min(missing)}")
    truth = answers.loc[loaded.test_ids]
    return People(
        {name: loaded.manifest[name] for name in ("rows", "labels")},  # type: ignore[literal-required]
        pd.factorize(loaded.rows["person"])[0].astype(np.int32),
        loaded.rows["label"].to_numpy(np.uint8),
        loaded.rows["fold"].to_numpy(np.int8),
        pd.factorize(truth["person"])[0].astype(np.int32),
        truth["ans"].to_numpy().astype(np.uint8),
    )


def write_people(path: Path, people: People) -> None:
    arrays = {name: value for name, value in vars(people).items() if name != "digests"}
    _write(path, {"digests": people.digests}, **arrays)


def read_people(path: Path) -> People:
    """Refuses a file that is damaged."""
    about, arrays = _read(path)
    return People(about["digests"], **arrays)


def keep(path: Path, run: Run) -> None:
    """Write what is kept of the finished run. A row that no fold held out has probabilities of 0."""
    loaded = reader.load(run.planned.name)
    manifest = loaded.manifest
    logs = [foldrun.read_log(folder) for folder in sorted((loaded.folder / "folds").iterdir())]
    about = {
        "kernel": manifest["kernel"],
        "recipe": {name: value for name, value in run.files_by_name(manifest["recipe"]).items() if name in run.results},
        "digests": {name: manifest[name] for name in ("rows", "labels")},  # type: ignore[literal-required]
        "sources": disk.text_digest(json.dumps(manifest["source"], sort_keys=True)),
        "core_seconds": manifest["training_seconds"] * manifest["machine"]["threads"],
        "images": round(sum(row["images_per_second"] * row["seconds"] for log in logs for row in log)),
        "versions": manifest["versions"],
    }
    fold_tests = [reader.fold_test(loaded, number).argmax(1) for number in range(len(manifest["folds"]))]
    _write(
        path,
        about,
        oof=LETTERS[np.nan_to_num(loaded.oof).argmax(1)],
        test=LETTERS[loaded.test.argmax(1)],
        fold_tests=LETTERS[np.stack(fold_tests)],
        oof_probs=np.rint(np.nan_to_num(loaded.oof) * THOUSANDTHS).astype(np.uint16),
        test_probs=np.rint(loaded.test * THOUSANDTHS).astype(np.uint16),
    )


def read(path: Path) -> Result:
    """Refuses a file that is damaged."""
    about, arrays = _read(path)
    for name in ("oof", "test", "fold_tests"):
        arrays[name] = (arrays[name] - LETTERS[0]).astype(np.int64)
    for name in ("oof_probs", "test_probs"):
        whole = arrays[name].astype(np.float64)
        arrays[name] = whole / np.maximum(whole.sum(1, keepdims=True), 1)
    if any(arrays[name].shape[1:] != (len(labels.CLASSES),) for name in ("oof_probs", "test_probs")):
        raise Refusal(f"{path}: is damaged; delete it, and it is trained again")
    return Result(about, **arrays)


def stale(about: dict[str, Any], run: Run, people: People) -> str:
    """Why a kept result is not the study's; empty if it is. A field that came after it had its default then."""
    if about["kernel"] != run.planned.file.parent.name:
        return f"is of {about['kernel']}"
    defaults = type(run.planned.recipe)()  # type: ignore[call-arg]
    then = {**names.results(defaults), **about["recipe"]}
    for name, value in run.results.items():
        if then[name] != value:
            return f"was trained with {name} {then[name]} where the study has {value}"
    return "" if about["digests"] == people.digests else "was trained on other data than people.npz tells of"


def _write(path: Path, about: dict[str, Any], **arrays: np.ndarray) -> None:
    """One zip of arrays and a JSON text, the same bytes each time."""
    text = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, about=text, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write(path, lambda temporary: temporary.write_bytes(buffer.getvalue()))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return json.loads(arrays.pop("about").tobytes()), arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise Refusal(f"{path}: is damaged; delete it, and it is trained again") from None
