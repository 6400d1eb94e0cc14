"""What a fold shows while it trains: a bar on a terminal, a line per epoch anywhere, curves and the run's log.

A fold that is shown by the process that started it leaves bar and lines to that one's display.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from core.runs.foldrun import Epoch, FoldRun, HeldOut
from core.runs.progress_file import ProgressFile
from core.training.phase import Phase

#: What TensorBoard shows of an epoch.
CURVES = ("loss", "lr", *HeldOut.__annotations__, "images_per_second")

#: Seconds of training after which it is told how long all of it will take.
AFTER = 10.0


class Progress:
    """A bar over the fold's images on a terminal, a line per epoch anywhere, and the run's log.

    `passed` are the (phase, epoch) that a resumed fold has, in order.
    """

    def __init__(self, plan: list[Phase], run: FoldRun, passed: list[tuple[int, int]]):
        from tqdm import tqdm

        self.total = sum(phase.images * phase.epochs for phase in plan)
        self.left = self.total - sum(plan[number].images for number, _ in passed)
        self.run, self.seconds, self.trained = run, 0.0, 0
        self.first: list[tuple[float, int]] = []
        self.estimated = False
        self.curves = Curves(run.board, run.keep_log([(plan[number].name, epoch) for number, epoch in passed]))
        self.name, done = f"fold {run.fold + 1}/{run.folds}", self.total - self.left
        self.bar = (
            ProgressFile(run.folder, self.name, done, self.total)
            if run.shown_by_parent
            else tqdm(total=self.total, initial=done, desc=self.name, unit="img", disable=None, leave=False)
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.curves.close()
        self.bar.close()

    def images(self, number: int) -> None:
        self.bar.update(number)
        self._estimate(number)

    def _estimate(self, number: int) -> None:
        """How long it will take, once, from what is trained in `AFTER` seconds; the first batch, which waits for all
        to start, is left out. An epoch that is over by then tells itself."""
        if self.estimated or self.trained:
            return
        self.first.append((time.monotonic(), number))
        seconds = self.first[-1][0] - self.first[0][0]
        if seconds < AFTER:
            return
        images = sum(number for _, number in self.first[1:])
        left = (self.left + self.run.after * self.total) * seconds / images / 60
        self.bar.write(
            f"{self.name}  about {left:.0f} min in all, as the first {images} images go ({images / seconds:.0f} img/s)"
        )
        self.estimated = True

    def epoch(self, phase: Phase, row: Epoch) -> None:
        self.run.log(row)
        self.curves.add(row)
        self.seconds += row["seconds"]
        self.trained += phase.images
        self.left -= phase.images
        left = (self.left + self.run.after * self.total) * self.seconds / self.trained
        line = f"{self.name}  {phase.name} {row['epoch'] + 1}/{phase.epochs}  loss {row['loss']:.4f}"
        if row["macro_f1"] is not None:
            line += f"  held-out macro F1 {row['macro_f1']:.4f} accuracy {row['accuracy']:.4f}"
        self.bar.write(f"{line}  {row['images_per_second']:.0f} img/s  {left / 60:.1f} min left")
        # in the first epoch the scale of the loss is still looked for
        if row["epoch"] > 0 and row["skipped"] > len(phase.loader) / 10:
            skipped = f"{row['skipped']} of {len(phase.loader)} steps were skipped"
            self.bar.write(f"{self.name}  {skipped}: gradients overflow in float16; try --precision float32")


class NoProgress:
    """In the place of a `Progress`, for a rank whose epochs another one shows."""

    def __enter__(self) -> NoProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def images(self, number: int) -> None:
        pass

    def epoch(self, phase: Phase, row: Epoch) -> None:
        pass


class Curves:
    """TensorBoard curves; they start from the epochs that a resumed fold keeps, so that they never fork."""

    def __init__(self, folder: Path, epochs: list[Epoch]):
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(folder, ignore_errors=True)
        self.writer, self.step = SummaryWriter(str(folder)), 0
        for row in epochs:
            self.add(row)

    def add(self, row: Epoch) -> None:
        self.step += 1
        for name in CURVES:
            if (value := dict(row)[name]) is not None:
                self.writer.add_scalar(name, value, self.step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
