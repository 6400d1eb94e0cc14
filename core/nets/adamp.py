"""AdamP in few launches, two a tensor more under a gradient scaler, and without reading back from the device."""

import functools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

Parameters = Iterable[nn.Parameter]
#: Keeps a division by a norm of zero finite, as in the authors' code.
TINY = 1e-8


class AdamP(torch.optim.Optimizer):
    """Adam whose step, for scale-invariant weights, loses the part along the weight (Heo et al., 2021,
    https://arxiv.org/abs/2006.08217), decided on the device.

    A weight counts as scale-invariant if the largest |cosine| between its gradient and itself, per channel or else over
    the whole layer, lies below `delta` / sqrt(dimensions).
    """

    #: torch.amp.GradScaler sets `grad_scale` and `found_inf` for the time of a step, and leaves both to this class.
    _step_supports_amp_scaling = True

    def __init__(self, params: Parameters, lr: float = 1e-3, betas=(0.9, 0.999), eps: float = 1e-8, delta: float = 0.1):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "delta": delta, "step": 0.0})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights: list[Tensor] = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._move(weights, group)

    def _move(self, weights: list[Tensor], group: dict) -> None:
        """`keep` is 0 for a step whose gradients overflowed: then nothing moves, and nothing is counted."""
        gradients, keep = self._gradients(weights)
        (first, second), states = group["betas"], [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:
                state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        means, squares = [state["mean"] for state in states], [state["square"] for state in states]
        # a number where nothing can be skipped, so that counting costs no launch; else on the device
        group["step"] = step = keep + (group["step"] if isinstance(keep, Tensor) else float(group["step"]))
        torch._foreach_mul_(means, _factor(1 - (1 - first) * keep))
        torch._foreach_add_(means, gradients, alpha=1 - first)
        torch._foreach_mul_(squares, _factor(1 - (1 - second) * keep))
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        roots = torch._foreach_div(squares, _factor(1 - second**step + (1 - keep)))
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, group["eps"])
        moves = list(torch._foreach_div(means, roots))
        torch._foreach_mul_(moves, _factor(1 / (1 - first**step + (1 - keep))))
        _project(weights, gradients, moves, group["delta"])
        torch._foreach_mul_(moves, _factor(-group["lr"] * keep))
        torch._foreach_add_(weights, moves, alpha=1)

    def _gradients(self, weights: list[Tensor]) -> tuple[list[Tensor], Tensor | float]:
        """The unscaled gradients, zero if one of them overflowed, and 1 or else 0."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        overflows: Tensor | None = getattr(self, "found_inf", None)
        if overflows is None:
            return gradients, 1.0
        scale: Tensor = self.grad_scale  # type: ignore[attr-defined]
        keep = 1 - overflows.double().clamp(max=1)
        kept = keep > 0
        return [torch.where(kept, each / scale, 0.0) for each in gradients], keep


def _factor(value: Tensor | float) -> Tensor | float:
    """In the tensors' own type, which keeps their product one launch."""
    return value.float() if isinstance(value, Tensor) else value


def _project(weights: list[Tensor], gradients: list[Tensor], moves: list[Tensor], delta: float) -> None:
    """Take the radial part out of the `moves` of scale-invariant weights, per channel or over the layer, by the first
    test that holds. All channels of all layers are rows of one table, so that few launches do."""
    at = [number for number, weight in enumerate(weights) if weight.ndim > 1]
    if not at:
        return
    weights, gradients, moves = ([tensors[number] for number in at] for tensors in (weights, gradients, moves))
    layer, size, channels = _layout(tuple(weight.shape for weight in weights), weights[0].device)

    def by_layer(rows: Tensor) -> Tensor:
        return rows.new_zeros(len(at)).index_add(0, layer, rows)

    pairs = ((gradients, weights), (weights, weights), (gradients, gradients), (moves, weights))
    slope, own, steep, along = (_by_channel(*pair) for pair in pairs)
    layer_slope, layer_own, layer_steep, layer_along = map(by_layer, (slope, own, steep, along))
    largest = size.new_zeros(len(at)).scatter_reduce(0, layer, _cosine(slope, own, steep), "amax")
    channel_holds = largest < delta / size.sqrt()
    layer_holds = _cosine(layer_slope, layer_own, layer_steep) < delta / (size * channels).sqrt()
    of_channel, of_layer = along / (own.sqrt() + TINY) ** 2, layer_along / (layer_own.sqrt() + TINY) ** 2
    radial = torch.where(channel_holds[layer], of_channel, torch.where(layer_holds, of_layer, 0.0)[layer])
    parts = radial.split([len(weight) for weight in weights])
    shaped = [part.view(-1, *[1] * (weight.ndim - 1)) for part, weight in zip(parts, weights, strict=True)]
    torch._foreach_sub_(moves, torch._foreach_mul(weights, shaped), alpha=1)


@functools.lru_cache(maxsize=8)
def _layout(shapes: tuple[torch.Size, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of layers of these shapes: the layer of each channel, and each layer's weights per channel and channels; made
    once, since each copy to a device waits for it."""
    channels = torch.tensor([shape[0] for shape in shapes])
    layer = torch.repeat_interleave(torch.arange(len(shapes)), channels)
    size = torch.tensor([float(shape[1:].numel()) for shape in shapes])
    return layer.to(device), size.to(device), channels.float().to(device)


def _by_channel(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """The product of two lists of layers, summed over each channel of each of them."""
    return torch.cat([each.sum(tuple(range(1, each.ndim))) for each in torch._foreach_mul(one, other)])


def _cosine(dot: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """|cosine| of pairs of vectors, from their products and the squares of their lengths."""
    return dot.abs() / (one.sqrt().clamp(min=TINY) * other.sqrt().clamp(min=TINY))
