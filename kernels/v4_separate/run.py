"""v4 separate: three models, one for each task, each with its own backbone, loss, optimizer, schedule and pictures.

    python kernels/v4_separate/run.py --backbone mask=effb0,gender=effb0,age=resnext50 --loss age=focal
    python kernels/v4_separate/run.py --backbone effb0 --tasks age --reuse v4_separate/effb0

The second keeps the frozen mask and gender probabilities of a finished run and works on age alone.
Macro F1 out of fold: 0.447 on 600 photographed people, lite0, three epochs of each model, 12 core-minutes
(docs/studies/report.md). It trains three times as long as v5 and is not clearly better.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import nn

from core import flags, labels, recipe
from core.data import age_filter, resample
from core.data.folds import Fold
from core.data.resample import Resampling
from core.data.table import Rows, Table
from core.flags import PerTask, same
from core.images.augment import FINAL_RECIPE, Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.refusal import Refusal
from core.runs import reader
from core.training import loop

Task = Literal["mask", "gender", "age"]


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    # this version's own; PerTask flags take VALUE for all three models, or mask=VALUE,age=VALUE
    backbone: PerTask[flags.Backbone] = same("effb0")  # effb0 effb4 effb7 resnext50 lite0 or timm's name
    epochs: PerTask[flags.Count] = same(12)  # of each model, so three times as many in all
    lr: PerTask[flags.Positive] = same(1e-4)  # a usual rate for trained weights
    loss: PerTask[losses.Name] = same("cross_entropy")  # or weighted, focal
    optimizer: PerTask[optim.Name] = same("adam")  # or adamp, sgd
    schedule: PerTask[optim.Schedule] = same("plateau")  # or cosine, step, one_cycle, none
    augmentations: PerTask[tuple[Augmentation, ...]] = same(FINAL_RECIPE)  # by task they are joined by +
    augment: PerTask[Augmented] = same("copies")  # or all, none; copies only was what helped
    gamma: PerTask[flags.Positive] = same(2.0)  # of the focal loss
    resample: PerTask[Resampling] = same("elderly")  # or none, balance; elderly only was what helped
    age_young: PerTask[flags.Age] = same(30)  # the competition's boundary
    age_old: PerTask[flags.Age] = same(58)  # training rows from 58 are called elderly: the best of those tried
    age_drop: PerTask[tuple[flags.Age, ...]] = same(())  # ages in years to leave out of training, joined by +
    tasks: tuple[Task, ...] = ("mask", "gender", "age")  # what to train; the rest comes from --reuse
    reuse: flags.RunName = ""  # KERNEL/NAME, a finished run that gives the probabilities of all other tasks
    # as in every version
    crop: tuple[flags.Count, flags.Count] = (360, 200)  # height,width: head and shoulders
    scale: flags.Scale = 1.0  # shrinks the photographs; below 1 for a CPU
    batch: flags.Count = 16  # the original's
    label_smoothing: flags.Fraction = 0.0  # share of each label spread over all classes of its head
    lr_decay_step: flags.Count = 5  # epochs: plateau's patience, step's length; the original's Ir_decay_step

    def __post_init__(self) -> None:
        if bool(self.reuse) == (set(self.tasks) == set(labels.TASKS)):
            raise Refusal("--tasks and --reuse go together: name the tasks to train, and the run that gives the others")


class Net(nn.ModuleDict):
    """For each trained task a backbone and a head of its own: (b, 3, h, w) uint8 -> that task's logits."""

    def __init__(self, recipe: Recipe):
        models: dict[str, nn.Module] = {}
        for task in recipe.tasks:
            features = backbones.create(recipe.backbone.of(task), recipe.weights)
            models[task] = nn.Sequential(features, backbones.Head(features.width, len(labels.TASKS[task])))
        super().__init__(models)


def plan(net: Net, rows: Rows, recipe: Recipe) -> list[loop.Phase]:
    """One phase for each model that is trained, on rows of its own; no two share a parameter."""
    own = {task: task_rows(task, rows, recipe) for task in net}
    return [
        loop.Phase(
            name=task,
            loader=Loader(
                own[task], recipe.batch, recipe.augmentations.of(task), recipe.augment.of(task), recipe.workers
            ),
            forward=model,
            loss=task_loss(task, own[task], recipe),
            parameters=list(model.parameters()),
            optimizer=optim.optimizer(recipe.optimizer.of(task), recipe.lr.of(task)),
            schedule=optim.schedule(recipe.schedule.of(task), recipe.epochs.of(task), recipe.lr_decay_step),
            epochs=recipe.epochs.of(task),
        )
        for task, model in net.items()
    ]


def task_rows(task: str, rows: Rows, recipe: Recipe) -> Rows:
    """What one task's model is trained on: rows called by its own boundaries, and its own copies."""
    called = age_filter.apply(rows, recipe.age_young.of(task), recipe.age_old.of(task), recipe.age_drop.of(task))
    return resample.repeat(called, recipe.resample.of(task))


def task_loss(task: str, rows: Rows, recipe: Recipe) -> losses.Loss:
    """The loss of one task on its part of the label."""
    at, gamma, smoothing = list(labels.TASKS).index(task), recipe.gamma.of(task), recipe.label_smoothing
    part = labels.split(rows.column("label"))[at]
    loss = losses.make(recipe.loss.of(task), part, len(labels.TASKS[task]), gamma, smoothing)
    return lambda logits, label: loss(logits, labels.split(label)[at])


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """The models taken as independent; for a task that is not trained here every class is alike."""
    logits = {
        task: net[task](images) if task in net else images.new_zeros((len(images), len(names)), dtype=torch.float)
        for task, names in labels.TASKS.items()
    }
    return labels.joint(*(each.float().softmax(1) for each in logits.values()))


def joined(tasks: tuple[Task, ...], old: np.ndarray | None, new: np.ndarray) -> np.ndarray:
    """(n, 18): the marginals of `tasks` from `new`, the others from `old`, a run that is reused."""
    if old is None:
        return new
    parts = zip(labels.TASKS, labels.marginals(new), labels.marginals(old), strict=True)
    return labels.joint(*(own if task in tasks else reused for task, own, reused in parts)).astype(np.float32)


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    old = reader.load_fold(recipe.reuse, fold, table) if recipe.reuse else {}
    on_held_out, on_test = (partial(joined, recipe.tasks, old.get(part)) for part in ("oof", "test"))
    net = Net(recipe)  # plan filters, repeats and augments fit rows only, never held-out rows
    loop.fit(net, plan(net, fold.fit, recipe), run, (probs, fold.held_out), on_held_out)  # watched, not chosen by
    held_out, test = (
        loop.predict(net, probs, rows, recipe.tta, recipe.precision) for rows in (fold.held_out, table.test)
    )
    return on_held_out(held_out), on_test(test)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
