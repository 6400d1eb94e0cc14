"""Every fold of a kernel that is not finished: one after the other, side by side, in ranks, or on other machines.

Only (kernel path, recipe as a dict, fold number) crosses a process border; a worker loads the kernel by its path.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from core import (
    augment,
    batches,
    checkpoint,
    cluster,
    data,
    disk,
    foldrun,
    folds,
    images,
    naming,
    places,
    ranks,
    record,
    rehearsal,
    score,
)
from core.display import Display
from core.refusal import Refusal
from core.table import Table

SMOKE_PEOPLE = 24


def train(file: str, recipe: Any, watched: bool = False) -> None:
    """Train what is left of this kernel's run with this recipe, then report it.

    `watched`: another process shows the progress.

    Raises:
        Refusal: anything wrong with data, recipe, machine or run, before training where it can be known.
            A run of which no epoch is finished leaves nothing behind.
    """
    path = Path(file).resolve()
    with ranks.joined():
        if ranks.first():
            with ranks.leading():
                _lead(path, naming.run_name(recipe), rehearsal.carried_out(load(path), recipe), watched)
        else:
            for task in ranks.heard():
                given = asdict(rehearsal.carried_out(load(path), recipe))
                train_fold(str(path), given, **task, threads=torch.get_num_threads())


def _lead(path: Path, name: str, recipe: Any, watched: bool) -> None:
    """The whole run, as the one process that writes it."""
    with record.place(path.parent.name, name, recipe.force or recipe.smoke) as work:
        table, dealt = prepared(recipe)
        for note in table.notes:
            print(note, file=sys.stderr)
        rehearsal.rehearse(load(path), recipe, work)
        record.begin(work, path, naming.results(recipe), table, dealt, recipe.force or recipe.smoke)
        try:
            _train_folds(path, recipe, work, int(dealt.max()) + 1, watched)
        except Refusal:
            if not record.begun(work):
                record.discard(work)
            raise
        except KeyboardInterrupt:
            print("\nthe same command goes on from the last epoch", file=sys.stderr)
            raise
        record.join(work, dealt, len(table.test))
        _report(work, table.root)
        about = record.end(work, table, dealt, rehearsal.machine(recipe))
    print(f"out of fold  {score.line(about['scores'])}")
    print(f"wrote {places.runs() / path.parent.name / name}")


def _report(work: Path, root: Path) -> None:
    """Draw the pictures; hours of training are not lost to a missing font."""
    from core import plots

    try:
        plots.report(work, root)
    except Exception as error:
        print(f"the report was not drawn: {error}; try python -m core.plots", file=sys.stderr)


def _train_folds(path: Path, recipe: Any, work: Path, number: int, watched: bool) -> None:
    from joblib import Parallel, delayed

    todo = [fold for fold in range(number) if not foldrun.finished(work / "folds" / str(fold))]
    if recipe.cluster and todo:
        with Display({work / "folds": ""}):
            cluster.train_folds(recipe.cluster, path, asdict(recipe), work, todo, torch.get_num_threads())
        return
    jobs = min(recipe.jobs, len(todo)) or 1
    given, alone = asdict(recipe), jobs == 1 and not watched
    with nullcontext() if jobs == 1 else Display({work / "folds": ""}):
        Parallel(n_jobs=jobs)(
            delayed(train_fold)(
                str(path), given, fold, str(work), (len(todo) - 1 - at) // jobs, torch.get_num_threads(), not alone
            )
            for at, fold in enumerate(todo)
        )


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
    kernel = load(Path(file))
    recipe = kernel.Recipe(**{**given, "device": rehearsal.device(given["device"])})  # a cluster's is its worker's
    table, dealt = prepared(recipe)
    fold = next(fold for fold in folds.split(table, dealt) if fold.number == number)
    folder = Path(work) / "folds" / str(number)
    board, number_of = Path(work) / "tensorboard" / f"fold{number}", int(dealt.max()) + 1
    run = foldrun.FoldRun(folder, board, number, number_of, after, recipe.seed, recipe.device, watched)
    with _owned(folder, f"fold {number} of {work}", wait):
        if wait and foldrun.finished(folder):
            return
        torch.manual_seed(batches.seed(recipe.seed, number))
        held, test = kernel.fit_fold(recipe, table, fold, run)
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
    table = data.load(places.data(recipe.data), recipe.fix_labels, SMOKE_PEOPLE if recipe.smoke else None)
    dealt = folds.deal(table.train, recipe.folds, recipe.val_ratio)
    store = images.open_store(table, recipe.crop, recipe.scale, whole=augment.needs_whole_frame(recipe.augmentations))
    return table.opened(store), dealt


@functools.lru_cache
def load(path: Path) -> ModuleType:
    """The kernel at this path, as a module of its own."""
    name = f"kernel_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Refusal(f"{path}: is not a kernel")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
