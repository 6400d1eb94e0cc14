"""v4 separate: three models, one for each task, each with its own backbone, loss, optimizer, schedule and pictures.

    python kernels/v4_separate/run.py --backbone mask=effb0,gender=effb0,age=resnext50 --loss age=focal
    python kernels/v4_separate/run.py --backbone effb0 --tasks age --reuse v4_separate/effb0

The second keeps the frozen mask and gender probabilities of a finished run and works on age alone.
Out-of-fold / test macro F1: 0.417 / 0.512 on 300 photographed people, 11.9 min; 0.680 / 0.695 on drawn ones, 6.1 min.
"""

from dataclasses import dataclass
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
    backbone: PerTask[str] = same("effb0")  # effb0 effb4 effb7 resnext50 lite0 or timm's name
    epochs: flags.Count = 12  # of each model, so three times as many in all
    lr: PerTask[flags.Positive] = same(1e-4)  # a usual rate for trained weights
    loss: PerTask[losses.Name] = same("cross_entropy")  # or weighted, focal
    optimizer: PerTask[optim.Name] = same("adam")  # or adamp, sgd
    schedule: PerTask[optim.Schedule] = same("plateau")  # or cosine, step, none
    augmentations: PerTask[tuple[Augmentation, ...]] = same(FINAL_RECIPE)  # by task they are joined by +
    augment: Augmented = "copies"  # or all, none: copies only was what helped
    age_old: flags.Age = 58  # training rows from 58 are called elderly: the best of those tried
    resample: Resampling = "elderly"  # or none, balance; elderly only was what helped
    tasks: tuple[Task, ...] = ("mask", "gender", "age")  # what to train; the rest comes from --reuse
    reuse: flags.RunName = ""  # KERNEL/NAME, a finished run that gives the probabilities of all other tasks
    # as in every version
    crop: tuple[flags.Count, flags.Count] = (360, 200)  # height,width: head and shoulders
    scale: flags.Scale = 1.0  # shrinks the photographs; below 1 for a CPU
    batch: flags.Count = 16  # the original's
    gamma: flags.Positive = 2.0  # of the focal loss
    label_smoothing: flags.Fraction = 0.0  # share of each label spread over all classes of its head
    age_young: flags.Age = 30  # the competition's boundary
    age_drop: tuple[flags.Age, ...] = ()  # ages in years to leave out of training

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
    """One phase for each model that is trained; no two share a parameter."""
    parts = dict(zip(labels.TASKS, labels.split(rows.column("label")), strict=True))
    return [
        loop.Phase(
            name=task,
            loader=Loader(rows, recipe.batch, recipe.augmentations.of(task), recipe.augment, recipe.workers),
            forward=model,
            loss=task_loss(task, parts[task], recipe),
            parameters=list(model.parameters()),
            optimizer=optim.optimizer(recipe.optimizer.of(task), recipe.lr.of(task)),
            schedule=optim.schedule(recipe.schedule.of(task), recipe.epochs),
            epochs=recipe.epochs,
        )
        for task, model in net.items()
    ]


def task_loss(task: str, part: np.ndarray, recipe: Recipe) -> losses.Loss:
    """The loss of one task on its part of the label."""
    number, gamma = len(labels.TASKS[task]), recipe.gamma
    loss = losses.make(recipe.loss.of(task), part, number, gamma, recipe.label_smoothing)
    return lambda logits, label: loss(logits, dict(zip(labels.TASKS, labels.split(label), strict=True))[task])


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """The models taken as independent; for a task that is not trained here every class is alike."""
    logits = {
        task: net[task](images) if task in net else images.new_zeros((len(images), len(names)), dtype=torch.float)
        for task, names in labels.TASKS.items()
    }
    return labels.joint(*(each.float().softmax(1) for each in logits.values()))


def joined(new: np.ndarray, old: np.ndarray | None, tasks: tuple[Task, ...]) -> np.ndarray:
    """(n, 18): the marginals of `tasks` from `new`, the others from `old`, a run that is reused."""
    if old is None:
        return new
    parts = zip(labels.TASKS, labels.marginals(new), labels.marginals(old), strict=True)
    return labels.joint(*(own if task in tasks else reused for task, own, reused in parts)).astype(np.float32)


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    old = reader.load_fold(recipe.reuse, fold, table) if recipe.reuse else {}
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held-out rows
    rows = resample.repeat(rows, recipe.resample)  # are never filtered, repeated or augmented
    net = Net(recipe)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held_out))  # watched, not chosen by
    tta, precision = recipe.tta, recipe.precision
    held_out = joined(loop.predict(net, probs, fold.held_out, tta, precision), old.get("oof"), recipe.tasks)
    return held_out, joined(loop.predict(net, probs, table.test, tta, precision), old.get("test"), recipe.tasks)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
