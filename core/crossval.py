"""Every fold of a kernel that is not finished: one after the other, or side by side.

Only (kernel path, recipe as a dict, fold number) crosses a process border; a worker loads the kernel by its path.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from core import augment, batches, checkpoint, cluster, data, disk, foldrun, folds, images, naming, record, runs, score
from core.display import Display
from core.refusal import Refusal
from core.table import Table

SMOKE_PEOPLE = 24


def train(file: str, recipe: Any, watched: bool = False) -> None:
    """Train what is left of this kernel's run with this recipe, then report it; `watched` as in `train_fold`.

    Raises:
        Refusal: anything wrong with data, recipe, machine or run, before training where it can be known.
            A run of which no epoch is finished leaves nothing behind.
    """
    path = Path(file).resolve()
    name = naming.run_name(recipe)
    if recipe.cluster:
        cluster.reach(recipe.cluster, recipe.jobs)
    there = recipe.device if recipe.cluster else device(recipe.device)  # a cluster's workers have their own
    recipe = load(path).Recipe(**asdict(replace(_tiny(recipe), device=there)))
    with record.place(path.parent.name, name, recipe.force or recipe.smoke) as work:
        table, dealt = prepared(recipe)
        for note in table.notes:
            print(note, file=sys.stderr)
        _rehearse(load(path), recipe, work)
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
        machine = {"device": _device_name(recipe.device), "threads": torch.get_num_threads(), "jobs": recipe.jobs}
        machine |= {"device": f"{recipe.device} on the workers of {recipe.cluster}"} if recipe.cluster else {}
        about = record.end(work, table, dealt, machine)
    print(f"out of fold  {score.line(about['scores'])}")
    print(f"wrote {runs.root() / path.parent.name / name}")


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
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # every training batch has the same shape
    kernel = load(Path(file))
    recipe = kernel.Recipe(**given)
    recipe = replace(recipe, device=device(recipe.device))
    table, dealt = prepared(recipe)
    fold = next(fold for fold in folds.split(table, dealt) if fold.number == number)
    folder = Path(work) / "folds" / str(number)
    with disk.lock(folder / ".lock", f"fold {number} of {work}", wait):
        if wait and foldrun.finished(folder):
            return
        disk.sweep(folder)
        board, number_of = Path(work) / "tensorboard" / f"fold{number}", int(dealt.max()) + 1
        run = foldrun.FoldRun(folder, board, number, number_of, after, recipe.seed, recipe.device, watched)
        torch.manual_seed(batches.seed(recipe.seed, number))
        held, test = kernel.fit_fold(recipe, table, fold, run)
        run.finish(held, test)
        checkpoint.remove(folder)


@functools.lru_cache(1)
def prepared(recipe: Any) -> tuple[Table, np.ndarray]:
    """The table with its store open, and its folds; read once per process."""
    table = data.load(data.folder(recipe.data), recipe.fix_labels, SMOKE_PEOPLE if recipe.smoke else None)
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


def _tiny(recipe: Any) -> Any:
    """--smoke: the same recipe on few people, small images, two folds and one epoch."""
    return (
        replace(recipe, folds=min(recipe.folds, 2), epochs=1, batch=min(recipe.batch, 8), scale=min(recipe.scale, 0.2))
        if recipe.smoke
        else recipe
    )


def _rehearse(kernel: ModuleType, recipe: Any, work: Path) -> None:
    """Build the net and show it a batch: what it cannot do, and too little disk, is said before training."""
    net = kernel.Net(recipe.backbone, recipe.weights)
    height, width = images.net_size(recipe.crop, recipe.scale)
    try:
        kernel.probs(net, torch.zeros(min(recipe.batch, 2), 3, height, width, dtype=torch.uint8))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        cause = str(error).strip().splitlines()[0][:100]
        raise Refusal(
            f"--backbone {recipe.backbone}: cannot see {height}x{width} pixels in batches of {recipe.batch} ({cause})"
        ) from None
    disk.require_room(work, checkpoint.room(net, recipe.folds, recipe.jobs), "training")


def device(asked: str) -> str:
    """`auto` is the GPU if there is one. Refuses a device that is not there."""
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = asked.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise Refusal(f"--device {asked}: must be auto, cpu, cuda or cuda:NUMBER")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise Refusal(f"--device {asked}: this machine has {torch.cuda.device_count()} GPUs; give --device cpu")
    return asked


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
