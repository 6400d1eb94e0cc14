"""Every fold of a kernel that is not finished: one after the other, side by side, in ranks, or on other machines.

Only plain values cross a process border (jobs.py); a worker loads the kernel by its path.
"""

import sys
import time
from pathlib import Path

import torch

from core import places, score
from core.launch import cluster, jobs, preflight
from core.launch.display import Display
from core.recipe import Shared, build, values
from core.refusal import Interrupted, Refusal
from core.runs import foldrun, names, writer
from core.runs.writer import RunWriter
from core.training import device, fold, kernel, ranks
from core.training.kernel import KernelRecipe


def train(file: str, requested: Shared, shown_by_parent: bool = False) -> None:
    """Train what is left of this kernel's run with this recipe, then report it.

    `shown_by_parent`: another process shows the progress.

    Refuses: anything wrong with kernel, data, recipe, machine or run, before training where it can be known. A run
    of which no epoch is finished leaves nothing behind."""
    path = Path(file).resolve()
    recipe = build(kernel.load(path).Recipe, values(requested))
    until = time.time() + 3600 * recipe.hours if recipe.hours else 0.0
    with ranks.process_group():
        if ranks.is_first():
            with ranks.leading():
                preflight.check_machines(recipe)
                name = names.run_name(recipe)
                _lead(path, name, fold.resolve(recipe), until, shown_by_parent)
        else:
            for task in ranks.tasks():
                fold.train_fold(str(path), values(recipe), **task, threads=torch.get_num_threads())


def _lead(path: Path, name: str, recipe: KernelRecipe, until: float, shown_by_parent: bool) -> None:
    """The whole run, as the one process that writes it; it stops at `until` (seconds since 1970), 0 for never."""
    with writer.open_run(path, name, recipe) as run:
        table = fold.prepared(recipe)
        machine = device.machine(recipe.device, recipe.precision, recipe.cluster, recipe.jobs)
        for note in (*table.notes, *filter(None, [device.unused_gpu()])):
            print(note, file=sys.stderr)
        room = preflight.check_net(kernel.load(path), recipe, table.test.opened_store.size, run.folder)
        run.begin(table)
        how = f"{machine['device']} in {machine['precision']}"
        print(f"training on {how}, with up to {room / 1e9:.1f} GB of weights and checkpoints", file=sys.stderr)
        before = _epochs(run)
        try:
            _train_folds(run, recipe, until, shown_by_parent)
        except Refusal as refusal:
            if not run.has_progress():
                run.discard()
            if isinstance(refusal, Interrupted) and _epochs(run) == before:
                raise Refusal(f"--hours {recipe.hours:g}: no epoch fits into them; give more") from None
            raise
        except KeyboardInterrupt:
            print("\nthe same command resumes from the last epoch", file=sys.stderr)
            raise
        run.join()
        _report(run.folder, table.root)
        manifest = run.end(machine)
    print(f"out of fold  {score.line(manifest['scores'])}")
    print(f"wrote {places.runs() / path.parent.name / name}")


def _epochs(run: RunWriter) -> int:
    """How many its folds have trained so far."""
    return sum(len(foldrun.read_log(run.fold_folder(number))) for number in run.table.folds)


def _report(run_dir: Path, root: Path) -> None:
    """Draw the pictures; hours of training are not lost to a missing font."""
    from core.reports import plots

    try:
        plots.report(run_dir, root)
    except Exception as error:
        print(f"the report was not drawn: {error}; try python -m core.reports.plots", file=sys.stderr)


def _train_folds(run: RunWriter, recipe: KernelRecipe, until: float, shown_by_parent: bool) -> None:
    todo = [number for number in run.table.folds if not foldrun.finished(run.fold_folder(number))]
    threads = torch.get_num_threads()
    if recipe.cluster and todo:
        with Display({run.folder / "folds": ""}):
            cluster.train_folds(recipe.cluster, run.file, recipe, run.folder, todo, threads, until)
        return
    if recipe.jobs > 1 and len(todo) > 1:
        _train_side_by_side(run, recipe, todo, threads, until)
        return
    for number, after in zip(todo, reversed(range(len(todo))), strict=True):
        where = number, str(run.folder), after, threads, until
        fold.train_fold(str(run.file), values(recipe), *where, shown_by_parent=shown_by_parent)


def _train_side_by_side(run: RunWriter, recipe: KernelRecipe, todo: list[int], threads: int, until: float) -> None:
    folds = jobs.fold_jobs(run.file, recipe, threads, run.folder, todo, recipe.jobs, until)
    gpus = device.gpus(recipe.device)
    try:
        with Display({run.folder / "folds": ""}):
            jobs.wait_for(jobs.side_by_side(folds, min(recipe.jobs, len(todo)), gpus))
    except Refusal as refusal:
        shared = recipe.device != "cpu" and recipe.jobs > gpus and "out of memory" in str(refusal)
        raise Refusal(f"{refusal}, or a smaller --jobs, whose folds share a GPU") if shared else refusal from None
