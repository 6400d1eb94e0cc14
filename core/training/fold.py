"""One fold of one kernel, from rows to probabilities on disk, in whatever process it is trained."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from core import disk, places
from core.data import competition, folds
from core.data.table import Table
from core.images import augment, loader, store
from core.runs import foldrun
from core.training import checkpoint, device, kernel, ranks

SMOKE_PEOPLE = 24


def resolve(kernel: ModuleType, recipe: Any) -> Any:
    """The kernel's recipe as it is carried out: --smoke made tiny, the device found, unless a cluster's workers do."""
    if recipe.smoke:
        small = {"batch": min(recipe.batch, 8), "scale": min(recipe.scale, 0.2)}
        recipe = replace(recipe, folds=min(recipe.folds, 2), epochs=1, **small)
    found = recipe.device if recipe.cluster else device.device(recipe.device)
    return kernel.Recipe(**asdict(replace(recipe, device=found)))


def train_fold(
    file: str,
    given: dict[str, Any],
    number: int,
    work: str,
    after: int,
    threads: int,
    watched: bool = False,
    wait: bool = False,
) -> None:
    """Train one fold and write its probabilities, with the same threads whatever the number of jobs.

    `watched`: another process shows its progress; `wait`: for a process that still trains it, and may finish it.
    """
    ranks.tell({"number": number, "work": work, "after": after})
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # every training batch has the same shape
    module = kernel.load(Path(file))
    recipe = module.Recipe(**{**given, "device": device.device(given["device"])})  # a cluster's is its worker's
    table, dealt = prepared(recipe)
    fold = next(fold for fold in folds.split(table, dealt) if fold.number == number)
    folder = Path(work) / "folds" / str(number)
    board, number_of = Path(work) / "tensorboard" / f"fold{number}", int(dealt.max()) + 1
    run = foldrun.FoldRun(folder, board, number, number_of, after, recipe.seed, recipe.device, watched)
    with _owned(folder, f"fold {number} of {work}", wait):
        if wait and foldrun.finished(folder):
            return
        torch.manual_seed(loader.seed(recipe.seed, number))
        held, test = module.fit_fold(recipe, table, fold, run)
        if ranks.first():
            run.finish(held, test)
            checkpoint.remove(folder)


@contextmanager
def _owned(folder: Path, what: str, wait: bool) -> Iterator[None]:
    """Rank 0 holds the fold for all."""
    if not ranks.first():
        yield
        return
    with disk.lock(folder / ".lock", what, wait):
        disk.sweep(folder)
        yield


@functools.lru_cache(1)
def prepared(recipe: Any) -> tuple[Table, np.ndarray]:
    """The table with its store open, and its folds; read once per process."""
    table = competition.load(places.data(recipe.data), recipe.fix_labels, SMOKE_PEOPLE if recipe.smoke else None)
    dealt = folds.deal(table.train, recipe.folds, recipe.val_ratio)
    pixels = store.open_store(table, recipe.crop, recipe.scale, whole=augment.needs_whole_frame(recipe.augmentations))
    return table.opened(pixels), dealt
