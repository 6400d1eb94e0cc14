"""Two photographs in one: mixup, CutMix, or the left part of one face beside the right part of another.

On the device, keyed by (seed, fold, phase, epoch, step); each image of a batch meets another of the same batch. The
loss is share * loss(target) + (1 - share) * loss(the other's target), for any loss and every head.
"""

from typing import NamedTuple

import numpy as np
import torch

from core.flags import Mix


class Mixed(NamedTuple):
    """Images uint8 (b, c, h, w), their targets (b,) or (b, k), the others' targets, and the share () of the first."""

    images: torch.Tensor
    targets: torch.Tensor
    others: torch.Tensor
    share: torch.Tensor


def mixed(images: torch.Tensor, targets: torch.Tensor, how: Mix, alpha: float, key: tuple[int, ...]) -> Mixed:
    """A batch mixed with itself in another order; the share is drawn from Beta(alpha, alpha).

    mixup: the weighted mean of two images (Zhang et al., 2018, https://arxiv.org/abs/1710.09412). cutmix: a rectangle
    of the other, of the area 1 - share (Yun et al., 2019, https://arxiv.org/abs/1905.04899). cutmix_vertical: all of
    the other to the right of a column. The share is the one that the pixels have.
    """
    rng, (_, _, height, width) = np.random.default_rng(key), images.shape
    share, order = float(rng.beta(alpha, alpha)), torch.from_numpy(rng.permutation(len(images)))
    order = order.to(images.device, non_blocking=True)
    other, result = images[order], images.clone()
    if how == "mixup":
        result = (images.float().lerp(other.float(), 1 - share)).round_().to(torch.uint8)
    else:
        top, bottom, left, right = _window(rng, how, share, height, width)
        result[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    return Mixed(result, targets, targets[order], torch.full((), share, device=images.device))


def _window(rng: np.random.Generator, how: Mix, share: float, height: int, width: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what comes from the other image."""
    if how == "cutmix_vertical":
        return 0, height, round(share * width), width
    cut, y, x = np.sqrt(1 - share), int(rng.integers(height)), int(rng.integers(width))
    tall, wide = int(height * cut) // 2, int(width * cut) // 2
    return max(y - tall, 0), min(y + tall, height), max(x - wide, 0), min(x + wide, width)
