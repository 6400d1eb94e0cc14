"""A stage of training, as a kernel plans it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core.images.loader import Loader


@dataclass(frozen=True)
class Phase:
    """What is trained, on what, how, and for how long.

    forward: images uint8 (b, 3, h, w) -> outputs; loss: (outputs, labels int64 (b,)) -> scalar;
    optimizer: parameters -> optimizer; schedule: optimizer -> schedule.
    """

    name: str
    loader: Loader
    forward: Callable[[torch.Tensor], Any]
    loss: Callable[[Any, torch.Tensor], torch.Tensor]
    parameters: list[nn.Parameter]
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    schedule: Callable[[torch.optim.Optimizer], Any]
    epochs: int

    @property
    def images(self) -> int:
        """Trained on in an epoch."""
        return len(self.loader) * self.loader.batch


def whole(
    name: str, net: nn.Module, loader: Loader, loss: Callable, optimizer: Callable, schedule: Callable, epochs: int
) -> list[Phase]:
    """The plan of a net that is trained all at once: one phase over every parameter; arguments as `Phase` has them."""
    return [Phase(name, loader, net, loss, list(net.parameters()), optimizer, schedule, epochs)]
