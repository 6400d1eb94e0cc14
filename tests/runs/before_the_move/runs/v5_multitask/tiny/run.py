"""v5 multitask: one backbone, three heads, one joint loss. Each task teaches the features of the others.

    python kernels/v5_multitask/run.py --backbone effb0

`make demo` trains it with lite0 on 300 drawn people: test macro F1 0.72 in 3.4 minutes on two CPU cores.
"""

from dataclasses import dataclass

import torch
from torch import nn

from core import age_filter, backbones, crossval, labels, loop, losses, optim, recipe, resample
from core.augment import KEPT, Augmentation, Augmented
from core.batches import Loader
from core.resample import Resampling


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Protocol):
    backbone: str = "effb0"  # effb0 effb4 effb7 resnext50 lite0 or timm's name; larger was slower and no better
    crop: tuple[recipe.Count, recipe.Count] = (360, 200)  # height,width from the middle: head and shoulders
    scale: recipe.Zoom = 1.0  # shrinks the crop; below 1 for a CPU
    epochs: recipe.Count = 12  # the original's; the training loss is nearly flat by then
    batch: recipe.Count = 16  # the original's
    lr: recipe.Positive = 3e-5  # the original's; small, for the weights are trained already
    loss: losses.Name = "cross_entropy"  # or weighted, focal; summed over the three heads
    gamma: recipe.Positive = 2.0  # of the focal loss
    label_smoothing: recipe.Part = 0.0  # share of each label spread over all classes of its head
    optimizer: optim.Name = "adam"  # or adamp, sgd
    schedule: optim.Schedule = "plateau"  # or cosine, step, none; plateau's patience of 5 seldom ends in 12 epochs
    augmentations: tuple[Augmentation, ...] = KEPT  # the four that helped
    augment: Augmented = "copies"  # or all, none; originals stay as they are, as the test images will be
    age_young: recipe.Age = 30  # the competition's boundary
    age_old: recipe.Age = 58  # training rows from 58 are called elderly: the boundary that helped most
    age_drop: tuple[recipe.Age, ...] = ()  # ages in years to leave out of training
    resample: Resampling = "elderly"  # or none, balance; the elderly are 7 % of the people, a third of the classes


class Net(nn.Module):
    """(b, 3, h, w) uint8 -> logits of mask (b, 3), gender (b, 2) and age (b, 3)."""

    def __init__(self, backbone: str, weights: str):
        super().__init__()
        self.features = backbones.create(backbone, weights)
        self.heads = nn.ModuleDict(
            {task: nn.Linear(self.features.width, len(classes)) for task, classes in labels.TASKS.items()}
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        features = self.features(images)
        return [head(features) for head in self.heads.values()]


def plan(net, rows, recipe):
    """One phase: everything at once, the three losses summed."""
    parts = labels.split(rows.column("label"))
    each = [
        losses.make(recipe.loss, part, len(classes), recipe.gamma, recipe.label_smoothing)
        for part, classes in zip(parts, labels.TASKS.values(), strict=True)
    ]

    def joint_loss(outputs, label):
        return sum(loss(logits, part) for loss, logits, part in zip(each, outputs, labels.split(label), strict=True))

    loader = Loader(rows, recipe.batch, recipe.augmentations, recipe.augment, recipe.workers)
    how = optim.optimizer(recipe.optimizer, recipe.lr), optim.schedule(recipe.schedule, recipe.epochs)
    return loop.whole("joint", net, loader, joint_loss, *how, recipe.epochs)


def probs(net, images):
    """The three heads taken as independent."""
    return labels.joint(*(logits.float().softmax(1) for logits in net(images)))


def fit_fold(recipe, table, fold, run):
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held rows are
    rows = resample.repeat(rows, recipe.resample)  # never filtered, repeated or augmented
    net = Net(recipe.backbone, recipe.weights)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held))  # watched, not chosen by
    return loop.predict(net, probs, fold.held, recipe.tta), loop.predict(net, probs, table.test, recipe.tta)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
