"""A stage of training, as a kernel plans it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from core.images.loader import Loader

#: What a net gives for images, a tensor or several of them: its loss takes it as it comes.
Outputs = Any
Forward = Callable[[torch.Tensor], Outputs]
Loss = Callable[[Outputs, torch.Tensor], torch.Tensor]
Optimize = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Schedule = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]


@dataclass(frozen=True)
class Phase:
    """What is trained, on what, how, and for how long.

    forward: images uint8 (b, 3, h, w) -> outputs; loss: (outputs, labels int64 (b,)) -> scalar;
    optimizer: parameters -> optimizer; schedule: optimizer -> schedule.
    """

    name: str
    loader: Loader
    forward: Forward
    loss: Loss
    parameters: list[nn.Parameter]
    optimizer: Optimize
    schedule: Schedule
    epochs: int

    @property
    def images(self) -> int:
        """Trained on in an epoch."""
        return len(self.loader) * self.loader.batch


def one_phase(
    name: str, net: nn.Module, loader: Loader, loss: Loss, optimizer: Optimize, schedule: Schedule, epochs: int
) -> list[Phase]:
    """The plan of a net that is trained all at once: one phase over every parameter; arguments as `Phase` has them."""
    return [Phase(name, loader, net, loss, list(net.parameters()), optimizer, schedule, epochs)]
