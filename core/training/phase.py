"""A phase of training, as a kernel plans it, and the order in which a plan's phases are trained."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import lr_scheduler

from core.images.loader import Loader

#: What a net gives for images, a tensor or several of them: its loss takes it as it comes.
Outputs = Any
Forward = Callable[[torch.Tensor], Outputs]
Loss = Callable[[Outputs, torch.Tensor], torch.Tensor]
Optimize = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Schedule = Callable[[torch.optim.Optimizer, int], lr_scheduler.LRScheduler]
#: How long a phase is trained until the next of its neighbours is.
Turns = Literal["stage", "epoch", "batch"]
#: (number of a phase, epoch) of several.
Places = list[tuple[int, int]]


@dataclass(frozen=True)
class Phase:
    """What is trained, on what, how, and for how long.

    forward: images uint8 (b, 3, h, w) -> outputs; loss: (outputs, the loader's targets) -> scalar;
    optimizer: parameters -> optimizer; schedule: optimizer, batches of an epoch -> schedule.
    turns: neighbours of the same word, but for "stage", take turns: an epoch, or a batch, of each after the other.
    before: what is done once, before the first batch.
    """

    name: str
    loader: Loader
    forward: Forward
    loss: Loss
    parameters: list[nn.Parameter]
    optimizer: Optimize
    schedule: Schedule
    epochs: int
    turns: Turns = "stage"
    before: Callable[[], None] | None = None

    @property
    def images(self) -> int:
        """Trained on in an epoch."""
        return len(self.loader) * self.loader.batch


def one_phase(
    name: str, net: nn.Module, loader: Loader, loss: Loss, optimizer: Optimize, schedule: Schedule, epochs: int
) -> list[Phase]:
    """The plan of a net that is trained all at once: one phase over every parameter; arguments as `Phase` has them."""
    return [Phase(name, loader, net, loss, list(net.parameters()), optimizer, schedule, epochs)]


def rounds(plan: list[Phase]) -> list[Places]:
    """The places of each round of training, in order; those of one round are trained batch by batch in turn."""
    order: list[Places] = []
    for turns, neighbours in itertools.groupby(enumerate(plan), lambda each: each[1].turns):
        places = [(number, epoch) for number, phase in neighbours for epoch in range(phase.epochs)]
        if turns != "stage":
            places.sort(key=lambda place: place[1])
        by = (lambda place: place[1]) if turns == "batch" else (lambda place: place)
        order += [list(each) for _, each in itertools.groupby(places, by)]
    return order
