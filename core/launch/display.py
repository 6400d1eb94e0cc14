"""The progress of folds that other processes train, on this machine or another, in one display.

Such a fold keeps a note of its images and epoch lines in its folder, renewed once a second at most; whoever started it
draws a bar per fold on a terminal and prints the epoch lines in order of arrival anywhere. Free of torch.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from core.runs import foldrun


class Display:
    """Shows the folds below each of these folders, until it is left; then removes their notes.

    folders: "folds" of a run -> what its lines begin with.
    """

    def __init__(self, folders: dict[Path, str]):
        self.folders = folders
        self.bars: dict[Path, Any] = {}
        self.shown: dict[tuple[Path, float], int] = {}
        self.over, self.turn = threading.Event(), threading.Lock()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self._forget()

    def __enter__(self) -> Display:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self._show()
        for bar in self.bars.values():
            bar.close()
        self._forget()

    def write(self, line: str) -> None:
        """Print a line above the bars."""
        from tqdm import tqdm

        self._show()
        tqdm.write(line)

    def _watch(self) -> None:
        while not self.over.wait(foldrun.SECONDS / 2):
            self._show()

    def _forget(self) -> None:
        for folder in self.folders:
            for path in folder.glob(f"*/{foldrun.NOTE}"):
                path.unlink(missing_ok=True)

    def _show(self) -> None:
        with self.turn:
            self._show_all()

    def _show_all(self) -> None:
        for folder, prefix in self.folders.items():
            for path in sorted(folder.glob(f"*/{foldrun.NOTE}")):
                if note := _read(path):
                    self._show_fold(path, prefix, note)

    def _show_fold(self, path: Path, prefix: str, note: dict[str, Any]) -> None:
        from tqdm import tqdm

        if path not in self.bars:
            how: dict[str, Any] = {"unit": "img", "position": len(self.bars), "disable": None, "leave": False}
            self.bars[path] = tqdm(total=note["total"], initial=note["done"], desc=prefix + note["name"], **how)
        bar = self.bars[path]
        bar.update(note["done"] - bar.n)
        # a fold that another worker goes on with starts its lines anew
        seen = self.shown.get((path, note["began"]), 0)
        for line in note["lines"][seen:]:
            bar.write(prefix + line)
        self.shown[path, note["began"]] = len(note["lines"])


def _read(path: Path) -> dict[str, Any] | None:
    """None while a shared folder shows another machine's file half or no longer."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
