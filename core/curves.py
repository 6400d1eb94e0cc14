"""A fold's log lines as TensorBoard curves, while it trains."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

SHOWN = ("loss", "lr", "macro_f1", "accuracy", "images_per_second")


class Curves:
    """Starts from the lines that a resumed fold keeps, so that the curves never fork."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]]):
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(folder, ignore_errors=True)
        self.writer, self.step = SummaryWriter(str(folder)), 0
        for row in rows:
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        self.step += 1
        for name in SHOWN:
            if row[name] is not None:
                self.writer.add_scalar(name, row[name], self.step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
