"""One fold's place in a run: its log, its progress and its probabilities. Free of torch."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import disk

#: The file in a fold's folder that its progress is kept in, and how often it is renewed at most.
NOTE, SECONDS = ".progress", 1.0


@dataclass(frozen=True)
class FoldRun:
    """One fold's place in a run: `fold` of `folds`, its folder, its curves, and how many folds come `after` it here.

    `watched`: another process shows its progress.
    """

    folder: Path
    board: Path
    fold: int
    folds: int
    after: int
    seed: int
    device: str
    watched: bool = False

    def log(self, row: dict[str, Any]) -> None:
        """Add an epoch to log.jsonl."""
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def keep_log(self, places: list[tuple[str, int]]) -> list[dict[str, Any]]:
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


def read_log(folder: Path) -> list[dict[str, Any]]:
    """A fold's epochs; a last line that a kill cut short is left out."""
    path = folder / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Note:
    """Stands where the bar of a fold stands that is trained alone (`update`, `write`, `close` as tqdm has them)."""

    def __init__(self, folder: Path, name: str, done: int, total: int):
        self.path, self.done, self.renewed = folder / NOTE, done, 0.0
        self.said = {"name": name, "total": total, "began": time.time()}
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
        """Beside, then renamed, so that no reader sees half; not synced, for nothing is lost with it."""
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        beside.write_text(json.dumps({**self.said, "done": self.done, "lines": self.lines}), encoding="utf-8")
        os.replace(beside, self.path)
        self.renewed = time.monotonic()
