"""Optimizers and schedules by name. A schedule moves once per epoch; plateau looks at the training loss."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import lr_scheduler

from core.nets.adamp import AdamP, Parameters
from core.refusal import Refusal

Name = Literal["adam", "adamp", "sgd"]
#: What a state_dict() of torch's gives.
State = dict[str, Any]
Schedule = Literal["plateau", "cosine", "step", "one_cycle", "none"]


#: Steps in all.
SHORTEST_CYCLE = 8


def optimizer(name: Name, lr: float) -> Callable[[Parameters], torch.optim.Optimizer]:
    """What makes the optimizer once the parameters are on their device; on a GPU one launch moves many of them."""

    def make(parameters: Parameters) -> torch.optim.Optimizer:
        weights = list(parameters)
        fused = True if all(weight.is_cuda for weight in weights) else None
        if name == "adamp":
            return AdamP(weights, lr=lr)
        if name == "sgd":
            return sgd(weights, lr, fused)
        return torch.optim.Adam(weights, lr=lr, fused=fused)

    return make


def sgd(weights: list[nn.Parameter], lr: float, fused: bool | None) -> torch.optim.SGD:
    """SGD with momentum. A fused one takes what lies in uninitialised memory for its momentum if its first step is
    skipped, so that starts at zero here, from where the first step is the same."""
    made = torch.optim.SGD(weights, lr=lr, momentum=0.9, fused=fused)
    for weight in weights if fused else ():
        made.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return made


def load_state(made: torch.optim.Optimizer, state: State) -> None:
    """Take up a saved `state`, which another kind of device may have saved: how steps are fused stays this one's."""
    for saved, own in zip(state["param_groups"], made.param_groups, strict=True):
        saved.update({key: own[key] for key in ("fused", "foreach") if key in own})
    made.load_state_dict(state)


def schedule(
    name: Schedule, epochs: int, decay_step: int = 5
) -> Callable[[torch.optim.Optimizer, int], lr_scheduler.LRScheduler]:
    """What makes the schedule of an optimizer, given the batches of an epoch.

    plateau: a tenth after `decay_step` epochs without a lower loss. cosine: to 0 over `epochs`. step: a tenth after
    every `decay_step` epochs. one_cycle: a quarter of all batches up from a 25th, then down to nothing, moved at every
    batch (Smith and Topin, 2017, https://arxiv.org/abs/1708.07120). none: constant."""

    def make(made: torch.optim.Optimizer, batches: int) -> lr_scheduler.LRScheduler:
        if name == "one_cycle":
            if (total := epochs * batches) < SHORTEST_CYCLE:
                raise Refusal(f"--schedule one_cycle: {total} steps have no rise and fall; give more --epochs")
            highest = [group["lr"] for group in made.param_groups]
            return lr_scheduler.OneCycleLR(made, highest, total, pct_start=0.25, cycle_momentum=False)
        return {
            "plateau": lambda: lr_scheduler.ReduceLROnPlateau(made, factor=0.1, patience=decay_step),
            "cosine": lambda: lr_scheduler.CosineAnnealingLR(made, T_max=epochs),
            "step": lambda: lr_scheduler.StepLR(made, step_size=decay_step, gamma=0.1),
            "none": lambda: lr_scheduler.ConstantLR(made, factor=1.0),
        }[name]()

    return make


def step_schedule(made: lr_scheduler.LRScheduler, loss: float) -> None:
    """One epoch has passed, with this mean training loss."""
    if isinstance(made, lr_scheduler.ReduceLROnPlateau):
        made.step(loss)
    elif not isinstance(made, lr_scheduler.OneCycleLR):
        made.step()


def step_batch(made: lr_scheduler.LRScheduler) -> None:
    """One batch has passed."""
    if isinstance(made, lr_scheduler.OneCycleLR):
        made.step()
