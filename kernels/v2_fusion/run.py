"""v2 fusion: three heads of 3, 2 and 3 outputs, put side by side and fused into 18. One 18-way loss: nothing tells
a head what it is for.

    python kernels/v2_fusion/run.py --backbone effb0

Macro F1 out of fold: 0.358 on 600 photographed people, lite0, three epochs, 7 core-minutes
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
from core.images.augment import Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.training import loop


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    # this version's own
    lr: flags.Positive = 1e-4  # a usual rate for trained weights
    schedule: optim.Schedule = "none"  # or plateau, cosine, step, one_cycle
    augmentations: tuple[Augmentation, ...] = ("center_crop", "rotate")  # every image, by up to 20 degrees
    augment: Augmented = "all"  # or copies, none; v2 turned every image
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
    """(b, 3, h, w) uint8 -> (b, 18) logits, by way of 3 + 2 + 3 outputs that have no loss of their own."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.features = backbones.create(recipe.backbone, recipe.weights)
        sizes = [len(classes) for classes in labels.TASKS.values()]
        self.heads = nn.ModuleList(backbones.Head(self.features.width, size) for size in sizes)
        self.fusion = backbones.Head(sum(sizes), 18)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images)
        return self.fusion(torch.cat([head(features) for head in self.heads], 1))


def plan(net: Net, rows: Rows, recipe: Recipe) -> list[loop.Phase]:
    """One phase; the loss sees only what comes out of the fusion."""
    fused = losses.make(recipe.loss, rows.column("label"), 18, recipe.gamma, recipe.label_smoothing)
    return loop.one_phase(
        "fusion",
        net,
        loader=Loader(rows, recipe.batch, recipe.augmentations, recipe.augment, recipe.workers),
        loss=fused,
        optimizer=optim.optimizer(recipe.optimizer, recipe.lr),
        schedule=optim.schedule(recipe.schedule, recipe.epochs, recipe.lr_decay_step),
        epochs=recipe.epochs,
    )


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """The fused outputs; what a head gives alone has no meaning."""
    return torch.softmax(net(images).float(), 1)


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held-out rows
    rows = resample.repeat(rows, recipe.resample)  # are never filtered, repeated or augmented
    net = Net(recipe)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held_out))  # watched, not chosen by
    tta, precision = recipe.tta, recipe.precision
    return loop.predict(net, probs, fold.held_out, tta, precision), loop.predict(net, probs, table.test, tta, precision)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
