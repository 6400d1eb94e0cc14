"""v4 separate: three models, one for each task, each with its own backbone, loss, optimizer, schedule and pictures.

    python kernels/v4_separate/run.py --backbone mask=effb0,gender=effb0,age=resnext50 --loss age=focal
    python kernels/v4_separate/run.py --backbone effb0 --tasks age --reuse v4_separate/effb0

The second keeps the frozen mask and gender probabilities of a finished run and works on age alone.
Out-of-fold / test macro F1: 0.417 / 0.512 on 300 photographed people, 11.9 min; 0.680 / 0.695 on drawn ones, 6.1 min.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import nn

from core import labels, recipe
from core.data import age_filter, resample
from core.data.resample import Resampling
from core.images.augment import Augmentation, Augmented
from core.images.loader import Loader
from core.launch import crossval
from core.nets import backbones, losses, optim
from core.refusal import Refusal
from core.runs import reader
from core.training import loop

Task = Literal["mask", "gender", "age"]
#: Flags that take VALUE for all three models, or mask=VALUE,age=VALUE (whoever is not named has the default).
PER_TASK = {
    "backbone": str,
    "lr": recipe.Positive,
    "loss": losses.Name,
    "optimizer": optim.Name,
    "schedule": optim.Schedule,
    "augmentations": tuple[Augmentation, ...],
}


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Protocol):
    backbone: str = "effb0"  # per task; effb0 effb4 effb7 resnext50 lite0 or timm's name
    crop: tuple[recipe.Count, recipe.Count] = (360, 200)  # height,width from the middle
    scale: recipe.Zoom = 1.0  # shrinks the crop; below 1 for a CPU
    epochs: recipe.Count = 12  # of each model, so three times as many in all
    batch: recipe.Count = 16  # as the other versions
    lr: str = "1e-4"  # per task; a usual rate for trained weights
    loss: str = "cross_entropy"  # per task; or weighted, focal
    gamma: recipe.Positive = 2.0  # of the focal loss
    label_smoothing: recipe.Part = 0.0  # share of each label spread over all classes of its task
    optimizer: str = "adam"  # per task; or adamp, sgd
    schedule: str = "plateau"  # per task; or cosine, step, none
    augmentations: str = "brightness_contrast+flip+clahe+shift_scale_rotate"  # per task, joined by +
    augment: Augmented = "copies"  # or all, none: copies only was what helped
    age_young: recipe.Age = 30  # the competition's boundary
    age_old: recipe.Age = 58  # training rows from 58 are called elderly: the best of those tried
    age_drop: tuple[recipe.Age, ...] = ()  # ages in years to leave out of training
    resample: Resampling = "elderly"  # or none, balance; elderly only was what helped
    tasks: tuple[Task, ...] = ("mask", "gender", "age")  # what to train; the rest comes from --reuse
    reuse: str = ""  # KERNEL/NAME, a finished run that gives the probabilities of all other tasks

    def __post_init__(self):
        for field in PER_TASK:
            each(field, getattr(self, field))
        trained = self.tasks if isinstance(self.tasks, tuple) else (self.tasks,)
        if bool(self.reuse) == (len(set(map(str, trained))) == len(labels.TASKS)):
            raise Refusal("--tasks and --reuse go together: name the tasks to train, and the run that gives the others")


def each(field, text):
    """{task: value} of VALUE or task=VALUE,task=VALUE, checked as the flags of the other kernels are."""
    default = Recipe.__dataclass_fields__[field].default
    text = ",".join(map(str, text)) if isinstance(text, tuple) else str(text)
    parts = [part.partition("=") for part in text.split(",")]
    named = {task: value for task, _, value in parts} if "=" in text else dict.fromkeys(labels.TASKS, text)
    if not set(named) <= set(labels.TASKS):
        raise Refusal(f"--{field} {text}: names are {', '.join(labels.TASKS)}, as in mask=VALUE,age=VALUE")
    texts = {task: named.get(task, default).replace("+", ",") for task in labels.TASKS}
    return {task: recipe.read(field, PER_TASK[field], value, value) for task, value in texts.items()}


class Net(nn.ModuleDict):
    """For each task a backbone and a head of its own: (b, 3, h, w) uint8 -> that task's logits."""

    def __init__(self, backbone, weights, tasks=tuple(labels.TASKS)):
        models = {}
        for task in tasks:
            features = backbones.create(each("backbone", backbone)[task], weights)
            models[task] = nn.Sequential(features, nn.Linear(features.width, len(labels.TASKS[task])))
        super().__init__(models)


def plan(net, rows, recipe):
    """One phase for each model that is trained; no two share a parameter."""
    own = {field: each(field, getattr(recipe, field)) for field in PER_TASK}
    parts = dict(zip(labels.TASKS, labels.split(rows.column("label")), strict=True))
    return [
        loop.Phase(
            name=task,
            loader=Loader(rows, recipe.batch, own["augmentations"][task], recipe.augment, recipe.workers),
            forward=model,
            loss=task_loss(task, own["loss"][task], parts[task], recipe),
            parameters=list(model.parameters()),
            optimizer=optim.optimizer(own["optimizer"][task], own["lr"][task]),
            schedule=optim.schedule(own["schedule"][task], recipe.epochs),
            epochs=recipe.epochs,
        )
        for task, model in net.items()
    ]


def task_loss(task, name, part, recipe):
    """The loss `name` on one task's part of the label."""
    loss = losses.make(name, part, len(labels.TASKS[task]), recipe.gamma, recipe.label_smoothing)
    return lambda logits, label: loss(logits, dict(zip(labels.TASKS, labels.split(label), strict=True))[task])


def probs(net, images):
    """The models taken as independent; a task that is not trained here finds every class alike."""
    logits = {
        task: net[task](images) if task in net else images.new_zeros((len(images), len(names)), dtype=float)
        for task, names in labels.TASKS.items()
    }
    return labels.joint(*(each.float().softmax(1) for each in logits.values()))


def joined(new, old, tasks):
    """(n, 18): the marginals of `tasks` from `new`, the others from `old`, a run that is reused."""
    if old is None:
        return new
    parts = zip(labels.TASKS, labels.marginals(new), labels.marginals(old), strict=True)
    return labels.joint(*(mine if task in tasks else theirs for task, mine, theirs in parts)).astype(np.float32)


def fit_fold(recipe, table, fold, run):
    old = reader.load_fold(recipe.reuse, fold, table) if recipe.reuse else {}
    rows = age_filter.apply(fold.fit, recipe.age_young, recipe.age_old, recipe.age_drop)  # fit rows only: held rows are
    rows = resample.repeat(rows, recipe.resample)  # never filtered, repeated or augmented
    net = Net(recipe.backbone, recipe.weights, recipe.tasks)
    loop.fit(net, plan(net, rows, recipe), run, watch=(probs, fold.held))  # watched, not chosen by
    held, test = loop.predict(net, probs, fold.held, recipe.tta), loop.predict(net, probs, table.test, recipe.tta)
    return joined(held, old.get("oof"), recipe.tasks), joined(test, old.get("test"), recipe.tasks)


if __name__ == "__main__":
    crossval.train(__file__, recipe.parse(Recipe))
