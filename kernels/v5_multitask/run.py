"""v5 multitask: one backbone, three heads, one joint loss. Each task teaches the features of the others.

    python kernels/v5_multitask/run.py --backbone effb0

Macro F1 out of fold: 0.432 on 600 photographed people, lite0, three epochs, 7 core-minutes
(docs/studies/report.md).
"""

from dataclasses import dataclass

import torch
from torch import nn

from core import flags, labels, recipe
from core.data import age_filter, resample
from core.data.folds import Fold
from core.data.resample import Resampling
from core.data.table import Rows, Table
from core.images.augment import FINAL_RECIPE, Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.training import loop


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    # this version's own
    lr: flags.Positive = 3e-5  # the original's; small, for the weights are trained already
    schedule: optim.Schedule = "plateau"  # or cosine, step, one_cycle, none; its patience seldom ends in 12 epochs
    augmentations: tuple[Augmentation, ...] = FINAL_RECIPE  # the four that helped
    augment: Augmented = "copies"  # or all, none; originals stay as they are, as the test images will be
    age_old: flags.Age = 58  # training rows from 58 are called elderly: the boundary that helped v4 most
    resample: Resampling = "elderly"  # or none, balance; the elderly are 7 % of the people, a third of the classes
    # as in every version
    backbone: flags.Backbone = "effb0"  # effb4 effb7 resnext50 lite0 or timm's name; larger ones were no better
    crop: tuple[flags.Count, flags.Count] = (360, 200)  # height,width: head and shoulders
    scale: flags.Scale = 1.0  # shrinks the photographs; below 1 for a CPU
    epochs: flags.Count = 12  # the original's; the training loss is nearly flat by then
    batch: flags.Count = 16  # the original's
    loss: losses.Name = "cross_entropy"  # or weighted, focal
    gamma: flags.Positive = 2.0  # of the focal loss
    label_smoothing: flags.Fraction = 0.0  # share of each label spread over all classes of its head
    lr_decay_step: flags.Count = 5  # epochs: plateau's patience, step's length; the original's Ir_decay_step
    optimizer: optim.Name = "adam"  # or adamp, sgd
    age_young: flags.Age = 30  # the competition's boundary
    age_drop: tuple[flags.Age, ...] = ()  # ages in years to leave out of training


class Net(nn.Module):
    """(b, 3, h, w) uint8 -> logits of mask (b, 3), gender (b, 2) and age (b, 3)."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.features = backbones.create(recipe.backbone, recipe.weights)
        self.heads = nn.ModuleDict(
            {task: backbones.Head(self.features.width, len(classes)) for task, classes in labels.TASKS.items()}
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        features = self.features(images)
        return [head(features) for head in self.heads.values()]


def plan(net: Net, rows: Rows, recipe: Recipe) -> list[loop.Phase]:
    """One phase: everything at once, the three losses summed."""
    parts = labels.split(rows.column("label"))
    each = [
        losses.make(recipe.loss, part, len(classes), recipe.gamma, recipe.label_smoothing)
        for part, classes in zip(parts, labels.TASKS.values(), strict=True)
    ]

    def joint_loss(outputs: list[torch.Tensor], label: torch.Tensor) -> torch.Tensor:
        parts = zip(each, outputs, labels.split(label), strict=True)
        mask, gender, age = (loss(logits, part) for loss, logits, part in parts)
        return mask + gender + age

    loader = Loader(rows, recipe.batch, recipe.augmentations, recipe.augment, recipe.workers)
    how = (
        optim.optimizer(recipe.optimizer, recipe.lr),
        optim.schedule(recipe.schedule, recipe.epochs, recipe.lr_decay_step),
    )
    return loop.one_phase("joint", net, loader, joint_loss, *how, recipe.epochs)


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """The three heads taken as independent."""
    return labels.joint(*(logits.float().softmax(1) for logits in net(images)))


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held-out rows
    rows = resample.repeat(rows, recipe.resample)  # are never filtered, repeated or augmented
    net = Net(recipe)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held_out))  # watched, not chosen by
    tta, precision = recipe.tta, recipe.precision
    return loop.predict(net, probs, fold.held_out, tta, precision), loop.predict(net, probs, table.test, tta, precision)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
