"""Losses by name: (b, c) logits, (b,) classes -> a scalar. A name of `Name` that `make` knows is a choice of --loss."""

import functools
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


def make(name: Name, classes: np.ndarray, number: int, gamma: float = 2.0, smoothing: float = 0.0) -> Loss:
    """The loss `name` for a head of `number` outputs trained on rows of these `classes`.

    cross_entropy: the mean. weighted: a mean weighted by inverse frequency. focal: see `focal`. All take the true class
    as 1 - smoothing, with the rest spread over all classes.
    """
    if name == "focal":
        return lambda logits, target: focal(logits, target, gamma, smoothing)
    weight = inverse_frequency(classes, number) if name == "weighted" else None

    @functools.cache  # a step that copied from the host each time would wait for it, and could not be captured
    def on(device: torch.device) -> torch.Tensor | None:
        return None if weight is None else weight.to(device)

    def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.float(), target, on(logits.device), label_smoothing=smoothing)

    return cross_entropy


def focal(logits: torch.Tensor, target: torch.Tensor, gamma: float, smoothing: float = 0.0) -> torch.Tensor:
    """The mean of sum_c q_c (1 - p_c)^gamma (-log p_c) (Lin et al., 2017, https://arxiv.org/abs/1708.02002).

    q is one-hot, or smoothed as `make` says; at gamma 0 this is cross entropy.
    """
    number = logits.shape[1]
    target_probability = functional.one_hot(target, number) * (1 - smoothing) + smoothing / number
    log_probability = logits.float().log_softmax(1)
    return -(target_probability * (1 - log_probability.exp()) ** gamma * log_probability).sum(1).mean()
