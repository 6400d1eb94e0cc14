"""Phase, fit, predict: the only training loop.

A plan is a list of phases; `fit` carries it out, one log line and one checkpoint per epoch, and goes
on where a killed run stopped. Predictions come from the last epoch: choosing the best epoch on the
held rows would make every out-of-fold score a lie.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from core import batches, checkpoint, optim, score
from core.foldrun import FoldRun
from core.phase import Phase, whole
from core.progress import Progress
from core.refusal import Refusal
from core.table import Rows

__all__ = ["Phase", "fit", "predict", "whole"]

#: Fixed, so that the batch that a net is trained with never changes a prediction.
PREDICT_BATCH = 64
Probs = Callable[[Any, torch.Tensor], torch.Tensor]


def fit(net: nn.Module, plan: list[Phase], run: FoldRun, watch: tuple[Probs, Rows] | None = None) -> None:
    """Train `net` in place through all phases, then save its weights in the run's folder.

    `watch` is (probs, rows) to score after each epoch; the scores are written down and decide nothing.

    Raises:
        Refusal: memory runs out, or the loss is no longer a number.
    """
    net.to(device=torch.device(run.device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = checkpoint.load(run.folder, torch.device(run.device))
    if state:
        net.load_state_dict(state["net"])
    done = (state["phase"], state["epoch"]) if state else (-1, -1)
    with Progress(plan, run, done) as progress:
        for number, phase in enumerate(plan):
            if number >= done[0]:
                _train(net, phase, number, run, state if number == done[0] else None, watch, progress)
    checkpoint.save_weights(run.folder, net)


def _train(
    net: nn.Module,
    phase: Phase,
    number: int,
    run: FoldRun,
    state: dict | None,
    watch: tuple[Probs, Rows] | None,
    progress: Progress,
) -> None:
    optimizer = phase.optimizer(phase.parameters)
    schedule = phase.schedule(optimizer)
    if state:
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
    for epoch in range(state["epoch"] + 1 if state else 0, phase.epochs):
        key = (run.seed, run.fold, number, epoch)
        lr = optimizer.param_groups[0]["lr"]
        start = time.perf_counter()
        loss = _epoch(net, phase, optimizer, key, run.device, progress)
        seconds = time.perf_counter() - start
        optim.advance(schedule, loss)
        seen: dict[str, float | None] = {"macro_f1": None, "accuracy": None}
        if watch:
            predicted, true = predict(net, *watch).argmax(1), watch[1].column("label")
            seen = {"macro_f1": score.macro_f1(true, predicted), "accuracy": score.accuracy(true, predicted)}
        row = {
            "fold": run.fold,
            "phase": phase.name,
            "epoch": epoch,
            "lr": lr,
            "loss": loss,
            **seen,
            "seconds": seconds,
            "images_per_second": phase.images / seconds,
        }
        progress.epoch(phase, row)
        checkpoint.save(run.folder, net, optimizer, schedule, number, epoch)


def _epoch(
    net: nn.Module, phase: Phase, optimizer: torch.optim.Optimizer, key: batches.Key, device: str, progress: Progress
) -> float:
    """One pass over the rows; the mean loss, read back from the device once at its end."""
    net.train()
    torch.manual_seed(batches.seed(*key))
    total = torch.zeros((), device=device)
    batch = phase.loader.batch
    with _memory(f"at --batch {batch}; try --batch {max(1, batch // 2)}, or a smaller --scale"):
        for images, labels in phase.loader.epoch(key):
            optimizer.zero_grad(set_to_none=True)
            with _precision(device):
                loss = phase.loss(
                    phase.forward(images.to(device, non_blocking=True)), labels.to(device, non_blocking=True)
                )
            loss.backward()
            optimizer.step()
            total += loss.detach()
            progress.images(len(images))
        mean = (total / len(phase.loader)).item()
    if not math.isfinite(mean):
        raise Refusal(f"the training loss became {mean} in phase {phase.name}; try a lower --lr")
    return mean


@torch.inference_mode()
def predict(net: nn.Module, probs: Probs, rows: Rows, tta: str = "none") -> np.ndarray:
    """(len(rows), 18) float32 class probabilities, from the rows as they are; `tta` flip adds their mirror image."""
    device = next(net.parameters()).device
    net.eval()
    found = []
    with _memory("while predicting; try a smaller --scale, or a device with more memory"):
        for batch in batches.in_order(rows, PREDICT_BATCH):
            images = batch.to(device, non_blocking=True)
            views = (images, images.flip(3)) if tta == "flip" else (images,)
            with _precision(device.type):
                found.append(torch.stack([probs(net, view).float() for view in views]).mean(0))
    return torch.cat(found).cpu().numpy()


def _precision(device: str) -> torch.autocast:
    """bfloat16 on a GPU, float32 on a CPU."""
    kind = device.partition(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda")


@contextmanager
def _memory(advice: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if (
            isinstance(error, RuntimeError)
            and not isinstance(error, torch.OutOfMemoryError)
            and "allocate memory" not in str(error)
        ):
            raise
        raise Refusal(f"out of memory {advice}") from None
