"""AdamP, without a read-back from the device per tensor."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

Parameters = Iterable[nn.Parameter]


class AdamP(torch.optim.Optimizer):
    """Adam whose step, for scale-invariant weights, loses the part along the weight (Heo et al., 2021,
    https://arxiv.org/abs/2006.08217), decided on the device: no value is read back per tensor.

    A weight counts as scale-invariant if the largest |cosine| between its gradient and itself, per channel or else over
    the whole layer, lies below `delta` / sqrt(dimensions).
    """

    def __init__(self, params: Parameters, lr: float = 1e-3, betas=(0.9, 0.999), eps: float = 1e-8, delta: float = 0.1):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "delta": delta})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: nn.Parameter, gradient: Tensor, group: dict) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # on the CPU, where counting costs no launch
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        first, second = group["betas"]
        step = state["step"].item()
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (state["square"] / (1 - second**step)).sqrt_().add_(group["eps"])
        move = state["mean"] / root / (1 - first**step)
        if weight.ndim > 1:
            move = _projected(weight, gradient, move, group["delta"])
        weight.add_(move, alpha=-group["lr"])


def _projected(weight: Tensor, gradient: Tensor, move: Tensor, delta: float) -> Tensor:
    """`move` without its radial part per channel, over the layer, or as it is, by the first test that holds."""
    by_channel, channels_hold = _tangent(weight, gradient, move, len(weight), delta)
    by_layer, layer_holds = _tangent(weight, gradient, move, 1, delta)
    return torch.where(channels_hold, by_channel, torch.where(layer_holds, by_layer, move))


def _tangent(weight: Tensor, gradient: Tensor, move: Tensor, rows: int, delta: float) -> tuple[Tensor, Tensor]:
    """`move` without its part along each of the weight's `rows`, and whether it counts as scale-invariant so."""
    flat, slope, step = (tensor.reshape(rows, -1) for tensor in (weight, gradient, move))
    cosine = nn.functional.cosine_similarity(slope, flat, dim=1, eps=1e-8).abs().max()
    unit = flat / (flat.norm(dim=1, keepdim=True) + 1e-8)
    return (step - unit * (unit * step).sum(1, keepdim=True)).view_as(move), cosine < delta / flat.shape[1] ** 0.5
