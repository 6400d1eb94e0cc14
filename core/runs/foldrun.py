"""One fold's place in a run: its log, its time and its probabilities. Free of torch."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from core import disk, labels, score
from core.flags import Mix
from core.refusal import Interrupted, Refusal, first_line

#: An epoch is also scored and saved, which its seconds in the log leave out.
WHOLE_EPOCH = 1.25


class HeldOut(TypedDict):
    """Of the held-out rows: macro F1, accuracy, the accuracy of each task, and the mean log loss of the true class.
    None where they are not watched."""

    macro_f1: float | None
    accuracy: float | None
    mask: float | None
    gender: float | None
    age: float | None
    held_out_loss: float | None


NOT_WATCHED: HeldOut = {
    "macro_f1": None,
    "accuracy": None,
    "mask": None,
    "gender": None,
    "age": None,
    "held_out_loss": None,
}


class Epoch(HeldOut):
    """A line of log.jsonl. `skipped` steps moved nothing, because a gradient overflowed in float16."""

    fold: int
    phase: str
    epoch: int
    lr: float
    loss: float
    seconds: float
    images_per_second: float
    skipped: int


@dataclass(frozen=True)
class FoldRun:
    """One fold's place in a run: `fold` of `folds`, its folder and its curves' `board`; how many folds this process
    trains `after` it, whether its progress is `shown_by_parent`, and the time (seconds since 1970, or 0 for none)
    `until` which it may train."""

    folder: Path
    board: Path
    fold: int
    folds: int
    after: int
    seed: int
    device: str
    precision: str = "auto"
    ema: float = 0.0
    mix: Mix = "none"
    mix_alpha: float = 1.0
    shown_by_parent: bool = False
    until: float = 0.0

    def require_time(self, epochs: int) -> None:
        """Stop before so many epochs more, if they, as long as the run's longest, would end after `until`."""
        if not self.until:
            return
        logs = (read_log(folder) for folder in self.folder.parent.iterdir())
        longest = max((epoch["seconds"] for log in logs for epoch in log), default=0.0)
        if time.time() + epochs * longest * WHOLE_EPOCH > self.until:
            raise Interrupted("stopped, for --hours are over; the same command resumes from the last epoch")

    def log(self, epoch: Epoch) -> None:
        """Add an epoch to log.jsonl."""
        path = self.folder / "log.jsonl"
        with disk.named(path), open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(epoch) + "\n")

    def keep_log(self, places: list[tuple[str, int]]) -> list[Epoch]:
        """Drop the lines of epochs that are not among these (phase, epoch), because they will be trained again."""
        kept = [row for row in read_log(self.folder) if (row["phase"], row["epoch"]) in places]
        disk.write_text(self.folder / "log.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
        return kept

    def finish(self, oof: np.ndarray, test: np.ndarray) -> None:
        """Write the fold's probabilities and their digests; test.npy last, for it says that the fold is finished."""
        arrays = {"oof": oof.astype(np.float32), "test": test.astype(np.float32)}
        digests = {part: hashlib.sha256(disk.array_bytes(array)).hexdigest() for part, array in arrays.items()}
        disk.write_json(self.folder / "sha256.json", digests)
        for part, array in arrays.items():
            disk.write_array(self.folder / f"{part}.npy", array)


def held_out(probs: np.ndarray, true: np.ndarray) -> HeldOut:
    """What an epoch's log line tells of probabilities (n, 18) for rows of these classes (n,)."""
    predicted = probs.argmax(1)
    mask, gender, age = map(score.accuracy, labels.split(true), labels.split(predicted))
    return {
        "macro_f1": score.macro_f1(true, predicted),
        "accuracy": score.accuracy(true, predicted),
        "mask": mask,
        "gender": gender,
        "age": age,
        "held_out_loss": float(-np.log(np.maximum(probs[np.arange(len(true)), true], 1e-7)).mean()),
    }


def finished(folder: Path) -> bool:
    """Whether this fold's probabilities are written."""
    return (folder / "test.npy").is_file()


def predictions(folder: Path, held_out: int, tests: int) -> tuple[np.ndarray, np.ndarray]:
    """(held_out, 18) and (tests, 18) float32 of a finished fold. Refuses files that are damaged."""
    way_out, found = f"remove the folder {folder}, and the same command trains that fold again", []
    digests = _digests(folder / "sha256.json", way_out)
    for part, number in (("oof", held_out), ("test", tests)):
        path = folder / f"{part}.npy"
        array = disk.read_array(path, way_out)
        if digests is not None and disk.digest(path) != digests.get(part):
            raise Refusal(f"{path}: is not as the fold left it; {way_out}")
        if array.shape != (number, 18) or array.dtype != np.float32 or not (np.abs(array.sum(1) - 1) <= 1e-3).all():
            raise Refusal(f"{path}: is damaged (no probabilities for {number} images); {way_out}")
        found.append(array)
    return found[0], found[1]


def _digests(path: Path, way_out: str) -> dict[str, str] | None:
    """None for a fold of a version from before they were written."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
    except (ValueError, TypeError, RecursionError):
        raise Refusal(f"{path}: is damaged; {way_out}") from None


def read_log(folder: Path) -> list[Epoch]:
    """A fold's epochs; a last line that a kill cut short is left out. Refuses a file with another damaged line."""
    path, epochs = folder / "log.jsonl", []
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            if line.endswith(b"\n"):
                epochs.append(json.loads(line))
                if not isinstance(epochs[-1], dict):
                    raise ValueError("it holds no epoch")
        except (ValueError, RecursionError) as error:
            way_out = f"remove the line, or the folder {folder} to train that fold again"
            raise Refusal(f"{path} line {number}: is damaged ({first_line(error)}); {way_out}") from None
    return epochs
