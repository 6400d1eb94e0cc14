"""Losses by name: (b, c) logits and (b,) classes -> a scalar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

Name = Literal["cross_entropy", "weighted", "focal"]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def inverse_frequency(classes: np.ndarray, number: int) -> torch.Tensor:
    """(number,) weights n / (number * n_c), as scikit-learn's "balanced"; 0 for a class that does not occur."""
    counts = np.bincount(classes, minlength=number)
    return torch.tensor(np.where(counts > 0, len(classes) / (number * np.maximum(counts, 1)), 0.0), dtype=torch.float32)


def make(name: Name, classes: np.ndarray, number: int, gamma: float = 2.0) -> Loss:
    """The loss `name` for a head of `number` outputs trained on rows of these `classes`.

    cross_entropy: the mean. weighted: by inverse frequency, a weighted mean. focal: the mean of
    (1 - p)^gamma * cross entropy (Lin et al., 2017, https://arxiv.org/abs/1708.02002).
    """
    if name == "weighted":
        weight = inverse_frequency(classes, number)
        return lambda logits, target: functional.cross_entropy(logits, target, weight.to(logits.device))
    if name == "focal":
        return lambda logits, target: focal(logits, target, gamma)
    return functional.cross_entropy


def focal(logits: torch.Tensor, target: torch.Tensor, gamma: float) -> torch.Tensor:
    cross_entropy = functional.cross_entropy(logits, target, reduction="none")
    return ((1 - torch.exp(-cross_entropy)) ** gamma * cross_entropy).mean()
