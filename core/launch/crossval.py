"""Every fold of a kernel that is not finished: one after the other, side by side, in ranks, or on other machines.

Only (kernel path, recipe as a dict, fold number) crosses a process border; a worker loads the kernel by its path.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from core import places, score
from core.launch import cluster, preflight
from core.launch.display import Display
from core.refusal import Refusal
from core.runs import foldrun, names, writer
from core.training import device, fold, kernel, ranks


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
                preflight.check(recipe)
                _lead(path, names.run_name(recipe), fold.resolve(kernel.load(path), recipe), watched)
        else:
            for task in ranks.heard():
                given = asdict(fold.resolve(kernel.load(path), recipe))
                fold.train_fold(str(path), given, **task, threads=torch.get_num_threads())


def _lead(path: Path, name: str, recipe: Any, watched: bool) -> None:
    """The whole run, as the one process that writes it."""
    with writer.place(path.parent.name, name, recipe.force or recipe.smoke) as work:
        table, dealt = fold.prepared(recipe)
        for note in table.notes:
            print(note, file=sys.stderr)
        preflight.rehearse(kernel.load(path), recipe, work)
        writer.begin(work, path, names.results(recipe), table, dealt, recipe.force or recipe.smoke)
        try:
            _train_folds(path, recipe, work, int(dealt.max()) + 1, watched)
        except Refusal:
            if not writer.begun(work):
                writer.discard(work)
            raise
        except KeyboardInterrupt:
            print("\nthe same command goes on from the last epoch", file=sys.stderr)
            raise
        writer.join(work, dealt, len(table.test))
        _report(work, table.root)
        about = writer.end(work, table, dealt, device.machine(recipe))
    print(f"out of fold  {score.line(about['scores'])}")
    print(f"wrote {places.runs() / path.parent.name / name}")


def _report(work: Path, root: Path) -> None:
    """Draw the pictures; hours of training are not lost to a missing font."""
    from core.reports import plots

    try:
        plots.report(work, root)
    except Exception as error:
        print(f"the report was not drawn: {error}; try python -m core.reports.plots", file=sys.stderr)


def _train_folds(path: Path, recipe: Any, work: Path, number: int, watched: bool) -> None:
    from joblib import Parallel, delayed

    todo = [each for each in range(number) if not foldrun.finished(work / "folds" / str(each))]
    if recipe.cluster and todo:
        with Display({work / "folds": ""}):
            cluster.train_folds(recipe.cluster, path, asdict(recipe), work, todo, torch.get_num_threads())
        return
    jobs = min(recipe.jobs, len(todo)) or 1
    given, alone = asdict(recipe), jobs == 1 and not watched
    with nullcontext() if jobs == 1 else Display({work / "folds": ""}):
        Parallel(n_jobs=jobs)(
            delayed(fold.train_fold)(
                str(path), given, each, str(work), (len(todo) - 1 - at) // jobs, torch.get_num_threads(), not alone
            )
            for at, each in enumerate(todo)
        )
