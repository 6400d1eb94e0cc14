"""One fold of one kernel, from rows to probabilities on disk, in the process that it is trained in."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from core import disk, flags, places, recipe
from core.data import competition, folds
from core.data.table import Table
from core.images import boxes, loader, store
from core.images.decode import Framing
from core.recipe import Values
from core.refusal import Refusal
from core.runs import foldrun
from core.training import checkpoint, device, kernel, ranks
from core.training.kernel import KernelRecipe

SMOKE_PEOPLE = 24


def resolve(requested: KernelRecipe) -> KernelRecipe:
    """The recipe as it is trained: --smoke made tiny, the device found, unless a cluster's workers find theirs."""
    if requested.smoke:
        folds, batch, scale = min(requested.folds, 2), min(requested.batch, 8), min(requested.scale, 0.2)
        epochs = flags.same(1) if isinstance(requested.epochs, flags.PerTask) else 1
        requested = replace(requested, folds=folds, batch=batch, scale=scale, epochs=epochs)
    return replace(requested, device=requested.device if requested.cluster else device.find(requested.device))


def train_fold(
    file: str,
    values: Values,
    number: int,
    run_dir: str,
    after: int,
    threads: int,
    until: float = 0.0,
    shown_by_parent: bool = False,
    wait: bool = False,
) -> None:
    """Train a fold of the kernel in `file` with the recipe of these `values`, and write its probabilities.

    after: how many folds this process trains after it. threads: the same whatever the number of jobs.
    until: when to stop (seconds since 1970), 0 for never. shown_by_parent: another process shows its progress.
    wait: for one that still trains the fold, and may finish it.
    """
    ranks.send_task({"number": number, "run_dir": run_dir, "after": after})
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # every training batch has the same shape
    module = kernel.load(Path(file))
    own = resolve(recipe.build(module.Recipe, {**values, "cluster": ""}))  # a cluster's worker finds its own device
    table = prepared(own)
    _require_same_data(table, Path(run_dir))
    fold = folds.split(table)[number]
    folder, board = Path(run_dir) / "folds" / str(number), Path(run_dir) / "tensorboard" / f"fold{number}"
    how = {name: getattr(own, name) for name in ("seed", "device", "precision", "ema", "mix", "mix_alpha")}
    how |= {"shown_by_parent": shown_by_parent, "until": until}
    run = foldrun.FoldRun(folder, board, number, len(table.folds), after, **how)
    with _owned(folder, f"fold {number} of {run_dir}", wait):
        if wait and foldrun.finished(folder):
            return
        torch.manual_seed(loader.seed(own.seed, number))
        held_out, test = module.fit_fold(own, table, fold, run)
        if ranks.is_first():
            run.finish(held_out, test)
            checkpoint.remove(folder)


def _require_same_data(table: Table, run_dir: Path) -> None:
    """Refuses data that was changed since the run was started."""
    start = disk.read_json(run_dir / "start.json")
    for name, digest in table.digests().items():
        if start.get(name, digest) != digest:
            raise Refusal(f"{table.root}: has other {name} than when the run was started; restore it, or give --force")


@contextmanager
def _owned(folder: Path, what: str, wait: bool) -> Iterator[None]:
    """Rank 0 holds the fold for all."""
    if not ranks.is_first():
        yield
        return
    with disk.lock(folder / ".lock", what, wait):
        disk.sweep(folder)
        yield


@functools.lru_cache(1)
def prepared(recipe: KernelRecipe) -> Table:
    """The table with its folds and its store open; read once per process."""
    table = competition.load(places.data(recipe.data), recipe.fix_labels, SMOKE_PEOPLE if recipe.smoke else None)
    table = replace(table, fold_of_row=folds.assign(table.train, recipe.folds, recipe.val_ratio))
    if recipe.extra:
        extra = competition.load_extra(Path(recipe.extra), len(table.files), set(table.train.column("person")))
        note = f"{len(extra)} images of {recipe.extra} are trained on in every fold, and held out in none"
        table = replace(table, extra=extra, notes=[*table.notes, note])
    return table.opened(store.open_store(table, framing(recipe)))


def framing(recipe: KernelRecipe) -> Framing:
    """What the kernel's nets see of a file; whole frames are kept where training crops at random.
    Refuses boxes there, for a box is the crop."""
    whole = any("random_crop" in names for names in flags.each(recipe.augmentations))
    if whole and recipe.boxes:
        raise Refusal(f"--boxes {recipe.boxes}: random_crop crops elsewhere; give --augmentations without it, or none")
    found = boxes.read(Path(recipe.boxes), recipe.box_margin) if recipe.boxes else None
    return Framing(recipe.crop, recipe.scale, whole, found)
