"""The progress of folds that other processes train, on this machine or another, in one display.

Such a fold keeps its progress in a file in its folder, renewed once a second at most; the process that started it draws
a bar per fold on a terminal and prints the epoch lines in order of arrival anywhere. Free of torch.
"""

import threading
from pathlib import Path
from typing import Self

from tqdm import tqdm

from core.runs import progress_file
from core.runs.progress_file import Progress


class Display:
    """Shows the folds below each of these folders (-> what its lines begin with), then removes their progress files."""

    def __init__(self, folders: dict[Path, str]):
        self.folders = folders
        self.bars: dict[Path, tqdm] = {}
        self.printed: dict[tuple[Path, float], int] = {}
        self.over, self.lock = threading.Event(), threading.Lock()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self._forget()

    def __enter__(self) -> Self:
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
        self._show()
        tqdm.write(line)

    def _watch(self) -> None:
        while not self.over.wait(progress_file.SECONDS / 2):
            self._show()

    def _forget(self) -> None:
        for folder in self.folders:
            for path in folder.glob(f"*/{progress_file.PROGRESS}"):
                path.unlink(missing_ok=True)

    def _show(self) -> None:
        with self.lock:
            for folder, prefix in self.folders.items():
                for path in sorted(folder.glob(f"*/{progress_file.PROGRESS}")):
                    if progress := progress_file.read_progress(path):
                        self._show_fold(path, prefix, progress)

    def _show_fold(self, path: Path, prefix: str, progress: Progress) -> None:
        if path not in self.bars:
            total, done, at = progress["total"], progress["done"], len(self.bars)
            bar = tqdm(total=total, initial=done, unit="img", position=at, disable=None, leave=False)
            bar.set_description(prefix + progress["name"])
            self.bars[path] = bar
        bar = self.bars[path]
        bar.update(progress["done"] - bar.n)
        # a fold that another worker resumes starts its lines anew
        printed = self.printed.get((path, progress["began"]), 0)
        for line in progress["lines"][printed:]:
            bar.write(prefix + line)
        self.printed[path, progress["began"]] = len(progress["lines"])
