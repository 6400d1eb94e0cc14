"""v3 sequential: one shared backbone, three heads, trained one head at a time. Each turn moves the backbone that the
other heads rely on, so the order of the tasks can change the result.

    python kernels/v3_sequential/run.py --backbone effb0 --order mask,gender,age

Macro F1 out of fold: 0.435 on 600 photographed people, lite0, three epochs of each head, 27 core-minutes
(docs/studies/report.md). An epoch at a time the same heads reach 0.35 and 0.29, for the backbone forgets.
"""

import copy
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
from core.images.augment import Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.refusal import Refusal
from core.training import loop, phase

Task = Literal["mask", "gender", "age"]


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    # this version's own
    order: tuple[Task, ...] = ("mask", "gender", "age")  # age last, so that nothing overwrites the weak one
    turns: phase.Turns = "batch"  # a head's turn at the backbone: a batch; or epoch, or stage, which forget
    answers: Literal["own", "last"] = "own"  # of stages: each head on its own stage's backbone; or last, which forgets
    epochs: flags.Count = 12  # of each head, so three times as many in all
    lr: flags.Positive = 1e-4  # a usual rate for trained weights
    schedule: optim.Schedule = "none"  # or plateau, cosine, step, one_cycle
    augmentations: tuple[Augmentation, ...] = ("center_crop", "rotate")  # as v2, every image turned
    augment: Augmented = "all"  # or copies, none; v3 varied every image
    age_old: flags.Age = 60  # the competition's boundary; moving it came later
    resample: Resampling = "none"  # or elderly, balance, which came later
    # as in every version
    backbone: flags.Backbone = "effb0"  # effb4 effb7 resnext50 lite0 or timm's name; larger ones were no better
    crop: tuple[flags.Count, flags.Count] = (360, 200)  # height,width: head and shoulders
    scale: flags.Scale = 1.0  # shrinks the photographs; below 1 for a CPU
    batch: flags.Count = 16  # the original's
    loss: losses.Name = "cross_entropy"  # or weighted, focal
    gamma: flags.Positive = 2.0  # of the focal loss
    label_smoothing: flags.Fraction = 0.0  # share of each label spread over all classes of its head
    lr_decay_step: flags.Count = 5  # epochs: plateau's patience, step's length; the original's Ir_decay_step
    optimizer: optim.Name = "adam"  # or adamp, sgd
    age_young: flags.Age = 30  # the competition's boundary
    age_drop: tuple[flags.Age, ...] = ()  # ages in years to leave out of training

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(labels.TASKS):
            raise Refusal(f"--order {','.join(self.order)}: must be mask, gender and age, once each")


class Net(nn.Module):
    """(b, 3, h, w) uint8 and a task -> the logits of that task's head alone. `later` has the backbones of the stages
    after the first, if each head answers with its own; else all heads share `features`."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.features = backbones.create(recipe.backbone, recipe.weights)
        self.mask, self.gender, self.age = (
            backbones.Head(self.features.width, len(each)) for each in labels.TASKS.values()
        )
        apart = recipe.turns == "stage" and recipe.answers == "own"
        self.later = nn.ModuleDict({task: copy.deepcopy(self.features) for task in recipe.order[1:] if apart})

    def backbone(self, task: str) -> nn.Module:
        return self.later[task] if task in self.later else self.features  # noqa: SIM401 (a ModuleDict has no get)

    def forward(self, images: torch.Tensor, task: str) -> torch.Tensor:
        return getattr(self, task)(self.backbone(task)(images))


def plan(net: Net, rows: Rows, recipe: Recipe) -> list[loop.Phase]:
    """A phase per task, in this order, which take turns; a phase trains its backbone and its own head."""
    parts = dict(zip(labels.TASKS, labels.split(rows.column("label")), strict=True))
    loader = Loader(rows, recipe.batch, recipe.augmentations, recipe.augment, recipe.workers)
    before = dict(zip(recipe.order[1:], recipe.order, strict=False))
    return [head(net, task, before.get(task), parts[task], loader, recipe) for task in recipe.order]


def head(net: Net, task: Task, before: Task | None, part: np.ndarray, loader: Loader, recipe: Recipe) -> loop.Phase:
    """The phase of one task; `part` are the classes of the task among the rows that `loader` gives. A backbone of its
    own begins as the stage of the task `before` left its."""
    number = len(labels.TASKS[task])
    which = list(labels.TASKS).index(task)
    own_loss = losses.make(recipe.loss, part, number, recipe.gamma, recipe.label_smoothing)

    def take_over() -> None:
        if before:
            net.later[task].load_state_dict(net.backbone(before).state_dict())

    return loop.Phase(
        name=task,
        loader=loader,
        forward=partial(net, task=task),
        loss=lambda logits, label: own_loss(logits, labels.split(label)[which]),
        parameters=[*net.backbone(task).parameters(), *getattr(net, task).parameters()],
        optimizer=optim.optimizer(recipe.optimizer, recipe.lr),
        schedule=optim.schedule(recipe.schedule, recipe.epochs, recipe.lr_decay_step),
        epochs=recipe.epochs,
        turns=recipe.turns,
        before=take_over if task in net.later else None,
    )


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """Each head on the backbone that it shares, or on its own."""
    shared = net.features(images)
    features = {task: net.later[task](images) if task in net.later else shared for task in labels.TASKS}
    return labels.joint(*(getattr(net, task)(features[task]).float().softmax(1) for task in labels.TASKS))


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held-out rows
    rows = resample.repeat(rows, recipe.resample)  # are never filtered, repeated or augmented
    net = Net(recipe)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held_out))  # watched, not chosen by
    tta, precision = recipe.tta, recipe.precision
    return loop.predict(net, probs, fold.held_out, tta, precision), loop.predict(net, probs, table.test, tta, precision)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
