"""One fold's place in a run: its log, its progress and its probabilities. Free of torch."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from core import disk

#: The file in a fold's folder that holds its progress, and how often it is renewed at most.
PROGRESS, SECONDS = ".progress", 1.0


class Epoch(TypedDict):
    """A line of log.jsonl; macro_f1 and accuracy are of the held-out rows, None where they are not watched."""

    fold: int
    phase: str
    epoch: int
    lr: float
    loss: float
    macro_f1: float | None
    accuracy: float | None
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class FoldRun:
    """One fold's place in a run: `fold` of `folds`, its folder, its curves, and how many folds come `after` it here.

    `shown_by_parent`: another process shows its progress.
    """

    folder: Path
    board: Path
    fold: int
    folds: int
    after: int
    seed: int
    device: str
    shown_by_parent: bool = False

    def log(self, epoch: Epoch) -> None:
        """Add an epoch to log.jsonl."""
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(epoch) + "\n")

    def keep_log(self, places: list[tuple[str, int]]) -> list[Epoch]:
        """Drop the lines of epochs that are not among these (phase, epoch), because they will be trained again."""
        kept = [row for row in read_log(self.folder) if (row["phase"], row["epoch"]) in places]
        disk.write_text(self.folder / "log.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
        return kept

    def finish(self, oof: np.ndarray, test: np.ndarray) -> None:
        """Write the fold's probabilities; test.npy last, for it says that the fold is finished."""
        disk.write_array(self.folder / "oof.npy", oof.astype(np.float32))
        disk.write_array(self.folder / "test.npy", test.astype(np.float32))


def finished(folder: Path) -> bool:
    """Whether this fold's probabilities are written."""
    return (folder / "test.npy").is_file()


def read_log(folder: Path) -> list[Epoch]:
    """A fold's epochs; a last line that a kill cut short is left out."""
    path = folder / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


class ProgressFile:
    """In the place of a bar, where another process shows the progress: `update`, `write` and `close` as in tqdm."""

    def __init__(self, folder: Path, name: str, done: int, total: int):
        self.path, self.done, self.renewed = folder / PROGRESS, done, 0.0
        self.name, self.total, self.began = name, total, time.time()
        self.lines: list[str] = []
        self._renew()

    def update(self, images: int) -> None:
        self.done += images
        if time.monotonic() - self.renewed >= SECONDS:
            self._renew()

    def write(self, line: str) -> None:
        self.lines.append(line)
        self._renew()

    def close(self) -> None:
        self._renew()

    def _renew(self) -> None:
        """Under a temporary name, then renamed, so that no reader sees half; not synced, nothing is lost with it."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        progress: Progress = {
            "name": self.name,
            "total": self.total,
            "began": self.began,
            "done": self.done,
            "lines": self.lines,
        }
        temporary.write_text(json.dumps(progress), encoding="utf-8")
        os.replace(temporary, self.path)
        self.renewed = time.monotonic()


class Progress(TypedDict):
    """What a ProgressFile holds: images `done` of `total`, when the process `began`, and its lines so far."""

    name: str
    total: int
    began: float
    done: int
    lines: list[str]


def read_progress(path: Path) -> Progress | None:
    """None while a shared folder shows another machine's file half or no longer."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
