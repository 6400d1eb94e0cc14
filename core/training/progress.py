"""What a fold shows while it trains: a bar on a terminal, a line per epoch anywhere, curves and the run's log.

A fold that another process watches leaves bar and lines to that one's display.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from core.runs.foldrun import FoldRun, Note
from core.training.phase import Phase

SHOWN = ("loss", "lr", "macro_f1", "accuracy", "images_per_second")


class Progress:
    """A bar over the fold's images on a terminal, a line per epoch anywhere, and the run's log."""

    def __init__(self, plan: list[Phase], run: FoldRun, done: tuple[int, int]):
        from tqdm import tqdm

        passed = sum(
            phase.images * (phase.epochs if number < done[0] else done[1] + 1)
            for number, phase in enumerate(plan)
            if number <= done[0]
        )
        self.total = sum(phase.images * phase.epochs for phase in plan)
        self.run, self.plan, self.seconds, self.trained = run, plan, 0.0, 0
        places = [
            (phase.name, epoch)
            for number, phase in enumerate(plan)
            for epoch in range(phase.epochs)
            if (number, epoch) <= done
        ]
        self.curves = Curves(run.board, run.keep_log(places))
        name = f"fold {run.fold + 1}/{run.folds}"
        self.bar = (
            Note(run.folder, name, passed, self.total)
            if run.watched
            else tqdm(total=self.total, initial=passed, desc=name, unit="img", disable=None, leave=False)
        )
        self.left = self.total - passed

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.curves.close()
        self.bar.close()

    def images(self, number: int) -> None:
        self.bar.update(number)

    def epoch(self, phase: Phase, row: dict[str, Any]) -> None:
        self.run.log(row)
        self.curves.add(row)
        self.seconds, self.trained, self.left = (
            self.seconds + row["seconds"],
            self.trained + phase.images,
            self.left - phase.images,
        )
        left = (self.left + self.run.after * self.total) * self.seconds / self.trained
        seen = (
            ""
            if row["macro_f1"] is None
            else f"  held-out macro F1 {row['macro_f1']:.4f} accuracy {row['accuracy']:.4f}"
        )
        where = f"fold {self.run.fold + 1}/{self.run.folds}  {phase.name} {row['epoch'] + 1}/{phase.epochs}"
        self.bar.write(
            f"{where}  loss {row['loss']:.4f}{seen}  {row['images_per_second']:.0f} img/s  {left / 60:.1f} min left"
        )


class Silence:
    """In the place of a `Progress`, for a rank whose epochs another one shows."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def images(self, number: int) -> None:
        pass

    def epoch(self, phase: Phase, row: dict[str, Any]) -> None:
        pass


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
