"""Fit and predict: the only training loop.

A plan is a list of phases; `fit` carries it out, one log line and one checkpoint per epoch, and resumes where a
killed run stopped. Predictions come from the last epoch: choosing the best epoch on the held-out rows would make
every out-of-fold score a lie.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

from core import score
from core.data.table import Rows
from core.images import loader
from core.images.prefetch import prefetch
from core.nets import optim
from core.refusal import Refusal
from core.runs.foldrun import Epoch, FoldRun
from core.training import checkpoint, ranks, step
from core.training.checkpoint import Checkpoint
from core.training.device import autocast, dtype
from core.training.phase import Phase, one_phase
from core.training.progress import NoProgress, Progress

__all__ = ["FoldRun", "Phase", "Predictions", "fit", "one_phase", "predict"]

#: Fixed, so that the batch that a net is trained with never changes a prediction. A GPU, whose bfloat16 never gives a
#: CPU's last digits anyway, is only busy with more.
PREDICT_BATCH = {"cpu": 64, "cuda": 256}
#: Of the held-out and of the test rows, (n, 18) float32 class probabilities each.
Predictions = tuple[np.ndarray, np.ndarray]
Net = TypeVar("Net", bound=nn.Module)
Probs = Callable[[Net, torch.Tensor], torch.Tensor]


def fit(net: Net, plan: list[Phase], run: FoldRun, watch: tuple[Probs[Net], Rows] | None = None) -> None:
    """Train `net` in place through all phases, then save its weights in the run's folder.

    `watch` is (probs, rows) to score after each epoch; the scores are written down and decide nothing.

    Refuses: to go on when memory runs out, or when the loss is no longer a number."""
    device = torch.device(run.device)
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    state = checkpoint.load(run.folder)
    with _memory("when the net was moved to the device; try another --device"):
        net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if state:
            net.load_state_dict(state["net"])
    done = (state["phase"], state["epoch"]) if state else (-1, -1)
    with Progress(plan, run, done) if ranks.is_first() else NoProgress() as progress:
        for number, phase in enumerate(plan):
            if number >= done[0]:
                _train(net, phase, number, run, state if number == done[0] else None, watch, progress)
    if ranks.is_first():
        checkpoint.save_weights(run.folder, net)


def _train(
    net: Net,
    phase: Phase,
    number: int,
    run: FoldRun,
    state: Checkpoint | None,
    watch: tuple[Probs[Net], Rows] | None,
    progress: Progress | NoProgress,
) -> None:
    net.train()
    with _memory(_smaller(phase.loader.batch)):
        learn, schedule = _resumed(net, phase, run, state)
    optimizer = learn.optimizer
    for epoch in range(state["epoch"] + 1 if state else 0, phase.epochs):
        lr = optimizer.param_groups[0]["lr"]
        start = time.perf_counter()
        loss = _epoch(net, phase, learn, (run.seed, run.fold, number, epoch), progress)
        seconds = time.perf_counter() - start
        optim.step_schedule(schedule, loss)
        macro_f1, accuracy = _scores(net, watch, run.precision)
        row: Epoch = {
            "fold": run.fold,
            "phase": phase.name,
            "epoch": epoch,
            "lr": lr,
            "loss": loss,
            "macro_f1": macro_f1,
            "accuracy": accuracy,
            "seconds": seconds,
            "images_per_second": phase.images / seconds,
            "skipped": learn.skipped(),
        }
        progress.epoch(phase, row)
        if ranks.is_first():
            checkpoint.save(run.folder, net, optimizer, schedule, learn.scaler, number, epoch)


def _resumed(
    net: nn.Module, phase: Phase, run: FoldRun, state: Checkpoint | None
) -> tuple[step.Step, lr_scheduler.LRScheduler]:
    """The phase's step and its schedule, as `state` left them."""
    device, optimizer = torch.device(run.device), phase.optimizer(phase.parameters)
    schedule = phase.schedule(optimizer)
    if state:
        optim.load_state(optimizer, state["optimizer"])
        schedule.load_state_dict(state["schedule"])
    learn = step.make(net, phase, optimizer, device, dtype(device, run.precision))
    if state and state["scaler"]:  # empty if the run was in float32 or bfloat16 so far
        learn.scaler.load_state_dict(state["scaler"])
    return learn, schedule


def _scores(net: Net, watch: tuple[Probs[Net], Rows] | None, precision: str) -> tuple[float, float] | tuple[None, None]:
    """Macro F1 and accuracy on the watched rows."""
    if watch is None:
        return None, None
    predicted, true = predict(net, *watch, precision=precision).argmax(1), watch[1].column("label")
    return score.macro_f1(true, predicted), score.accuracy(true, predicted)


def _epoch(net: nn.Module, phase: Phase, learn: step.Step, key: loader.Key, progress: Progress | NoProgress) -> float:
    """One pass over the rows; the mean loss, read back from the device once at its end."""
    net.train()
    torch.manual_seed(loader.seed(*key) + ranks.rank())
    with _memory(_smaller(phase.loader.batch)):
        for images, labels in prefetch(phase.loader.epoch(key, ranks.share()), learn.device):
            learn(images, labels)
            progress.images(len(images) * ranks.world())
        mean = learn.mean(len(phase.loader))
        ranks.broadcast_buffers(net.buffers())
    if not math.isfinite(mean):
        # never left out: what overflowed on the way forward is in the batch statistics too
        advice = " or --precision float32" if learn.dtype == torch.float16 else ""
        name = str(learn.dtype).removeprefix("torch.")
        raise Refusal(f"the training loss became {mean} in phase {phase.name}, in {name}; try a lower --lr{advice}")
    return mean


@torch.inference_mode()
def predict(net: Net, probs: Probs[Net], rows: Rows, tta: str = "none", precision: str = "auto") -> np.ndarray:
    """(len(rows), 18) float32 class probabilities, from the rows as they are, computed in `precision`; `tta` flip adds
    their mirror image. On a GPU without the memory for a batch of the usual size, smaller ones are tried."""
    device = next(net.parameters()).device
    net.eval()
    own = rows.take(np.arange(len(rows))[ranks.rows(len(rows))])
    batch = PREDICT_BATCH[device.type]
    part = None
    with _memory("while predicting; try a smaller --scale, or a device with more memory"):
        while part is None:
            try:
                part = torch.cat(list(_predicted(net, probs, own, batch, tta == "flip", dtype(device, precision))))
            except torch.OutOfMemoryError:
                if batch == 1:
                    raise
                batch //= 2
            if device.type == "cuda":
                torch.cuda.empty_cache()  # what predicting took is for whatever else trains on this GPU
    return ranks.gather(part, len(rows)).cpu().numpy()


def _predicted(
    net: Net, probs: Probs[Net], rows: Rows, batch: int, flip: bool, dtype: torch.dtype
) -> Iterator[torch.Tensor]:
    """(b, 18) for each batch of the rows, on the net's device."""
    device = next(net.parameters()).device
    yield torch.empty((0, 18), device=device)
    for (images,) in prefetch(((images,) for images in loader.in_order(rows, batch)), device):
        whole = images
        if device.type == "cuda" and len(images) < batch:  # cuDNN would search anew for each size that it meets
            whole = functional.pad(images, (0, 0, 0, 0, 0, 0, 0, batch - len(images)))
        views = (whole, whole.flip(3)) if flip else (whole,)
        with autocast(device, dtype):
            yield torch.stack([probs(net, view).float() for view in views]).mean(0)[: len(images)]


def _smaller(batch: int) -> str:
    smaller = f"--batch {batch // 2}, or " if batch > 1 else ""
    return f"at --batch {batch}; try {smaller}a smaller --scale"


@contextmanager
def _memory(advice: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # a driver's own words, when it has no room for a library's handle or a graph
        full = any(words in str(error) for words in ("allocate memory", "out of memory", "ALLOC_FAILED"))
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or full:
            raise Refusal(f"out of memory {advice}") from None
        raise
