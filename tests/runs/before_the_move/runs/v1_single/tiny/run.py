"""v1 single: one backbone, one layer of 18 outputs. All that is known about a photograph is said at once.

The simplest thing that works. What it cannot do is share: "elderly" is learnt six times over, once for each mask state
and gender, each time from the few people of that class. Training sees a random crop of the whole frame, everything
else the centre crop of the same size. What it is good at, as all versions are, is the mask.

    python kernels/v1_single/run.py --backbone effb0

Out-of-fold / test macro F1: 0.351 / 0.506 on 300 photographed people, 5.2 min; 0.595 / 0.587 on drawn ones, 1.4 min.
That is lite0 at 3 epochs on one CPU core, the same flags for all five (tests/benchmarks/five.py).
"""

from dataclasses import dataclass

import torch
from torch import nn

from core import age_filter, backbones, crossval, loop, losses, optim, recipe, resample
from core.augment import Augmentation, Augmented
from core.batches import Loader
from core.resample import Resampling


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Protocol):
    backbone: str = "effb0"  # or effb4, effb7: on this little data slower and worse
    crop: tuple[recipe.Count, recipe.Count] = (360, 200)  # height,width: at random in training, from the middle else
    scale: recipe.Zoom = 1.0  # shrinks the frame; below 1 for a CPU
    epochs: recipe.Count = 12  # as the other versions
    batch: recipe.Count = 16  # as the other versions
    lr: recipe.Positive = 1e-4  # a usual rate for trained weights; constant
    loss: losses.Name = "cross_entropy"  # or weighted, focal
    gamma: recipe.Positive = 2.0  # of the focal loss
    label_smoothing: recipe.Part = 0.0  # share of each label spread over all 18 classes
    optimizer: optim.Name = "adam"  # or adamp, sgd
    schedule: optim.Schedule = "none"  # v1 had none; or plateau, cosine, step
    augmentations: tuple[Augmentation, ...] = ("random_crop",)  # of the whole frame, v1's only one
    augment: Augmented = "all"  # or copies, none; a random crop is for every image
    age_young: recipe.Age = 30  # the competition's boundary
    age_old: recipe.Age = 60  # the competition's boundary; moving it came later
    age_drop: tuple[recipe.Age, ...] = ()  # ages in years to leave out of training
    resample: Resampling = "none"  # or elderly, balance, which came later


class Net(nn.Module):
    """(b, 3, h, w) uint8 -> (b, 18) logits."""

    def __init__(self, backbone: str, weights: str):
        super().__init__()
        self.features = backbones.create(backbone, weights)
        self.head = nn.Linear(self.features.width, 18)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


def plan(net, rows, recipe):
    """One phase, one loss over all 18 classes."""
    loss = losses.make(recipe.loss, rows.column("label"), 18, recipe.gamma, recipe.label_smoothing)
    loader = Loader(rows, recipe.batch, recipe.augmentations, recipe.augment, recipe.workers)
    optimizer = optim.optimizer(recipe.optimizer, recipe.lr)
    schedule = optim.schedule(recipe.schedule, recipe.epochs)
    return loop.whole("single", net, loader, loss, optimizer, schedule, recipe.epochs)


def probs(net, images):
    """The softmax of the 18 outputs."""
    return net(images).float().softmax(1)


def fit_fold(recipe, table, fold, run):
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held rows are
    rows = resample.repeat(rows, recipe.resample)  # never filtered, repeated or augmented
    net = Net(recipe.backbone, recipe.weights)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held))  # watched, not chosen by
    return loop.predict(net, probs, fold.held, recipe.tta), loop.predict(net, probs, table.test, recipe.tta)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
