"""v1 single: one backbone, one layer of 18 outputs. One network predicts the 18 classes directly.

The simplest thing that works. What it cannot do is share: "elderly" is learnt six times over, once for each mask state
and gender, each time from the few people of that class. Training sees a random crop of the whole frame, everything
else the centre crop of the same size. What it is good at, as all versions are, is the mask.

    python kernels/v1_single/run.py --backbone effb0

Macro F1 out of fold: 0.415 on 600 photographed people, lite0, three epochs, 6 core-minutes
(docs/studies/report.md).
"""

from dataclasses import dataclass

import torch
from torch import nn

from core import flags, recipe
from core.data import age_filter, resample
from core.data.folds import Fold
from core.data.resample import Resampling
from core.data.table import Rows, Table
from core.images.augment import Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.training import loop


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    # this version's own
    lr: flags.Positive = 1e-4  # a usual rate for trained weights; constant
    schedule: optim.Schedule = "none"  # v1 had none; or plateau, cosine, step, one_cycle
    augmentations: tuple[Augmentation, ...] = ("random_crop",)  # of the whole frame, v1's only one
    augment: Augmented = "all"  # or copies, none; a random crop is for every image
    age_old: flags.Age = 60  # the competition's boundary; moving it came later
    resample: Resampling = "none"  # or elderly, balance, which came later
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
    """(b, 3, h, w) uint8 -> (b, 18) logits."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.features = backbones.create(recipe.backbone, recipe.weights)
        self.head = backbones.Head(self.features.width, 18)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


def plan(net: Net, rows: Rows, recipe: Recipe) -> list[loop.Phase]:
    """One phase, one loss over all 18 classes."""
    loss = losses.make(recipe.loss, rows.column("label"), 18, recipe.gamma, recipe.label_smoothing)
    loader = Loader(rows, recipe.batch, recipe.augmentations, recipe.augment, recipe.workers)
    optimizer = optim.optimizer(recipe.optimizer, recipe.lr)
    schedule = optim.schedule(recipe.schedule, recipe.epochs, recipe.lr_decay_step)
    return loop.one_phase("single", net, loader, loss, optimizer, schedule, recipe.epochs)


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """The softmax of the 18 outputs."""
    return net(images).float().softmax(1)


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held-out rows
    rows = resample.repeat(rows, recipe.resample)  # are never filtered, repeated or augmented
    net = Net(recipe)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held_out))  # watched, not chosen by
    tta, precision = recipe.tta, recipe.precision
    return loop.predict(net, probs, fold.held_out, tta, precision), loop.predict(net, probs, table.test, tta, precision)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
