"""v6 years: v5, but age is learnt in years: of each year, whether the person is that old.

    python kernels/v6_years/run.py --backbone effb0

Macro F1 out of fold: 0.513 on 600 photographed people, lite0, three epochs with cosine, 4 core-minutes
(docs/studies/recipe.md).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from core import flags, labels, recipe
from core.data import age_filter, resample
from core.data.folds import Fold
from core.data.resample import Resampling
from core.data.table import Rows, Table
from core.images.augment import FINAL_RECIPE, Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.refusal import Refusal
from core.training import loop


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    # this version's own
    lr: flags.Positive = 3e-5  # as in v5; small, for the weights are trained already
    schedule: optim.Schedule = "plateau"  # as in v5; or cosine, step, one_cycle, none
    augmentations: tuple[Augmentation, ...] = FINAL_RECIPE  # the four that helped
    augment: Augmented = "copies"  # or all, none; originals stay as they are, as the test images will be
    age_old: flags.Age = 58  # whoever is at least so old is called elderly; as in v5
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


#: The years that are asked for, as columns of the age head.
YEARS = range(15, 75)
#: A mean over years moves the net little, for most of them are easy; four of it are about a cross entropy.
AGE_WEIGHT = 4.0


class Net(nn.Module):
    """(b, 3, h, w) uint8 -> logits of mask (b, 3), gender (b, 2), and age (b, 60): at least as old as each of YEARS."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        for flag, age in (("--age-young", recipe.age_young), ("--age-old", recipe.age_old)):
            if age not in YEARS:
                raise Refusal(f"{flag} {age}: v6 learns the years {YEARS[0]} to {YEARS[-1]} only")
        self.middle, self.old = YEARS.index(recipe.age_young), YEARS.index(recipe.age_old)
        self.features = backbones.create(recipe.backbone, recipe.weights)
        widths = {"mask": len(labels.MASK), "gender": len(labels.GENDER), "age": len(YEARS)}
        self.heads = nn.ModuleDict({task: backbones.Head(self.features.width, width) for task, width in widths.items()})

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        features = self.features(images)
        return [head(features) for head in self.heads.values()]


def age_loss(logits: torch.Tensor, age: torch.Tensor, smoothing: float) -> torch.Tensor:
    """The mean over people and years of the binary cross entropy of "is at least that old" (Niu et al., 2016, Ordinal
    regression with multiple output CNN for age estimation). logits (b, 60), age (b,) in years -> scalar."""
    older = (age[:, None] >= torch.arange(YEARS.start, YEARS.stop, device=age.device)).float()
    return functional.binary_cross_entropy_with_logits(logits.float(), older * (1 - smoothing) + smoothing / 2)


def plan(net: Net, rows: Rows, recipe: Recipe) -> list[loop.Phase]:
    """One phase: mask and gender as classes, age as years."""
    mask, gender, _ = labels.split(rows.column("label"))
    how = (recipe.gamma, recipe.label_smoothing)
    mask_loss = losses.make(recipe.loss, mask, len(labels.MASK), *how)
    gender_loss = losses.make(recipe.loss, gender, len(labels.GENDER), *how)

    def joint_loss(outputs: list[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        (of_mask, of_gender, of_age), (label, age) = outputs, target.unbind(1)
        mask, gender, _ = labels.split(label)
        classes = mask_loss(of_mask, mask) + gender_loss(of_gender, gender)
        return classes + AGE_WEIGHT * age_loss(of_age, age, recipe.label_smoothing)

    augmented = (recipe.augmentations, recipe.augment)
    loader = Loader(rows, recipe.batch, *augmented, recipe.workers, target=("label", "age"))
    optimizer = optim.optimizer(recipe.optimizer, recipe.lr)
    schedule = optim.schedule(recipe.schedule, recipe.epochs, recipe.lr_decay_step)
    return loop.one_phase("joint", net, loader, joint_loss, optimizer, schedule, recipe.epochs)


def probs(net: Net, images: torch.Tensor) -> torch.Tensor:
    """The heads taken as independent; the age groups are cut at the recipe's boundaries."""
    mask, gender, age = (logits.float() for logits in net(images))
    old = age[:, net.old].sigmoid()
    not_young = torch.maximum(age[:, net.middle].sigmoid(), old)
    groups = torch.stack([1 - not_young, not_young - old, old], 1)
    return labels.joint(mask.softmax(1), gender.softmax(1), groups)


def fit_fold(recipe: Recipe, table: Table, fold: Fold, run: loop.FoldRun) -> loop.Predictions:
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held-out rows
    rows = resample.repeat(rows, recipe.resample)  # are never filtered, repeated or augmented
    net = Net(recipe)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held_out))  # watched, not chosen by
    tta, precision = recipe.tta, recipe.precision
    return loop.predict(net, probs, fold.held_out, tta, precision), loop.predict(net, probs, table.test, tta, precision)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
