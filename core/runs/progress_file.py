"""The file by which a process that shows no bar tells its parent how far a fold is. Free of torch."""

import json
import os
import time
from pathlib import Path
from typing import TypedDict

#: The file in a fold's folder that holds its progress, and how often it is renewed at most.
PROGRESS, SECONDS = ".progress", 1.0


class Progress(TypedDict):
    """What a ProgressFile holds: images `done` of `total`, when the process `began`, and its lines so far."""

    name: str
    total: int
    began: float
    done: int
    lines: list[str]


class ProgressFile:
    """In the place of a bar, where another process shows the progress: `update`, `write` and `close` as in tqdm."""

    def __init__(self, folder: Path, name: str, done: int, total: int):
        self.path, self.renewed = folder / PROGRESS, 0.0
        self.progress: Progress = {"name": name, "total": total, "began": time.time(), "done": done, "lines": []}
        self.close()

    def update(self, images: int) -> None:
        self.progress["done"] += images
        if time.monotonic() - self.renewed >= SECONDS:
            self.close()

    def write(self, line: str) -> None:
        self.progress["lines"].append(line)
        self.close()

    def close(self) -> None:
        """Renew the file: written, then renamed, so that no reader sees half; not synced, nothing is lost with it."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self.progress), encoding="utf-8")
        os.replace(temporary, self.path)
        self.renewed = time.monotonic()


def read_progress(path: Path) -> Progress | None:
    """None while a shared folder shows another machine's file half or no longer."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
