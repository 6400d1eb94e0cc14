"""Fit and predict: the only training loop.

A plan is a list of phases; `fit` carries it out, a log line for each epoch, a checkpoint for each round, and resumes
where a killed run stopped. Predictions come from the last epoch: choosing the best epoch on the held-out rows would
make every out-of-fold score a lie.
"""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.data.table import Rows
from core.flags import Mix
from core.images import loader
from core.images.mix import mixed
from core.images.prefetch import prefetch
from core.nets import optim
from core.nets.average import Average
from core.refusal import Refusal
from core.runs.foldrun import NOT_WATCHED, Epoch, FoldRun, HeldOut, held_out
from core.training import checkpoint, ranks
from core.training.checkpoint import Learner
from core.training.device import autocast, dtype, is_out_of_memory, memory, smaller
from core.training.phase import Phase, Places, one_phase, rounds
from core.training.progress import NoProgress, Progress

__all__ = ["FoldRun", "Phase", "Predictions", "fit", "one_phase", "predict"]

#: Fixed, so that the batch that a net is trained with never changes a prediction. A GPU, whose bfloat16 never gives a
#: CPU's last digits anyway, is only busy with more.
PREDICT_BATCH = {"cpu": 64, "cuda": 256}
#: Of the held-out and of the test rows, (n, 18) float32 class probabilities each.
Predictions = tuple[np.ndarray, np.ndarray]
Net = TypeVar("Net", bound=nn.Module)
Probs = Callable[[Net, torch.Tensor], torch.Tensor]
Watch = tuple[Callable[[Net, torch.Tensor], torch.Tensor], Rows] | None
#: (n, 18) -> (n, 18): what becomes of a net's probabilities before they are scored.
Joined = Callable[[np.ndarray], np.ndarray]


def fit(net: Net, plan: list[Phase], run: FoldRun, watch: Watch[Net] = None, joined: Joined | None = None) -> None:
    """Train `net` in place through all phases, then save its weights in the run's folder.

    `watch` is (probs, rows) to score after each epoch, `joined` with what the run takes from elsewhere; the scores are
    written down and decide nothing.

    Refuses: to go on when memory runs out, or when the loss is no longer a number."""
    device = torch.device(run.device)
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    state = checkpoint.load(run.folder)
    with memory("when the net was moved to the device; try another --device"):
        net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if state:
            net.load_state_dict(state["net"])
    if run.ema and sum(phase.turns == "stage" for phase in plan) > 1:
        raise Refusal(f"--ema {run.ema}: weights of stages that have ended would not be averaged; use a kernel of one")
    order, done = rounds(plan), state["rounds"] if state else 0
    passed = [place for each in order[:done] for place in each]
    begun = state["learners"] if state else {}
    learners = {number: Learner.begin(net, plan[number], run, each) for number, each in begun.items()}
    with memory("when the net was copied for its average; leave --ema out, or try another --device"):
        average = Average(net, run.ema, state["average"] if state else None) if run.ema else None
    final = average.net if average else net
    with Progress(plan, run, passed) if ranks.is_first() else NoProgress() as progress:
        for number, places in enumerate(order[done:], done + 1):
            run.require_time(len(places))
            for phase, _ in places:
                if phase not in learners:
                    learners[phase] = Learner.begin(net, plan[phase], run)
            scores = partial(_held_out, final, watch, joined, run.precision)
            _train(net, average, learners, places, run, progress, scores)
            learners = {at: each for at, each in learners.items() if (at, plan[at].epochs - 1) not in places}
            if ranks.is_first():
                checkpoint.save(run.folder, net, learners, number, average)
    net.load_state_dict(final.state_dict())
    if ranks.is_first():
        checkpoint.save_weights(run.folder, net)


def _train(
    net: Net,
    average: Average | None,
    learners: dict[int, Learner],
    places: Places,
    run: FoldRun,
    progress: Progress | NoProgress,
    scores: Callable[[], HeldOut],
) -> None:
    """One round: an epoch of each of these phases."""
    taking_part = [learners[number] for number, _ in places]
    rates = [each.step.optimizer.param_groups[0]["lr"] for each in taking_part]
    start = time.perf_counter()
    keys: list[loader.Key] = [(run.seed, run.fold, *place) for place in places]
    losses = _epoch(net, taking_part, keys, progress, average, (run.mix, run.mix_alpha))
    seconds = time.perf_counter() - start
    watched = scores()
    for (number, epoch), lr, loss in zip(places, rates, losses, strict=True):
        learn, phase = learners[number], learners[number].step.phase
        optim.step_schedule(learn.schedule, loss)
        row: Epoch = {
            "fold": run.fold,
            "phase": phase.name,
            "epoch": epoch,
            "lr": lr,
            "loss": loss,
            **watched,
            "seconds": seconds / len(places),
            "images_per_second": phase.images * len(places) / seconds,
            "skipped": learn.step.skipped(),
        }
        progress.epoch(phase, row)


def _held_out(net: Net, watch: Watch[Net], joined: Joined | None, precision: str) -> HeldOut:
    if watch is None:
        return NOT_WATCHED
    predicted = predict(net, *watch, precision=precision)
    return held_out(joined(predicted) if joined else predicted, watch[1].column("label"))


def _epoch(
    net: nn.Module,
    learners: list[Learner],
    keys: list[loader.Key],
    progress: Progress | NoProgress,
    average: Average | None = None,
    mix: tuple[Mix, float] = ("none", 1.0),
) -> list[float]:
    """One pass over the rows of each phase, a batch of each in turn; the mean losses, read back once at the end."""
    net.train()
    torch.manual_seed(loader.seed(*keys[0]) + ranks.rank())
    with memory(smaller(learners[0].step.phase.loader.batch)):
        epochs = [each.step.phase.loader.epoch(key, ranks.share()) for each, key in zip(learners, keys, strict=True)]
        made = zip(*(prefetch(each, learners[0].step.device) for each in epochs), strict=True)
        for number, batches in enumerate(made):
            for learner, key, (images, labels) in zip(learners, keys, batches, strict=True):
                if mix[0] == "none":
                    learner.learn(images, labels)
                else:
                    learner.learn(*mixed(images, labels, *mix, (*key, number)))
                if average:
                    average.follow(net)
                progress.images(len(images) * ranks.world())
        means = [each.step.mean(len(each.step.phase.loader)) for each in learners]
        ranks.broadcast([*net.parameters(), *net.buffers()])
    for learn, mean in zip((each.step for each in learners), means, strict=True):
        if not math.isfinite(mean):
            # never left out: what overflowed on the way forward is in the batch statistics too
            advice = " or --precision float32" if learn.dtype == torch.float16 else ""
            where = f"in phase {learn.phase.name}, in {str(learn.dtype).removeprefix('torch.')}"
            raise Refusal(f"the training loss became {mean} {where}; try a lower --lr{advice}")
    return means


@torch.inference_mode()
def predict(net: Net, probs: Probs[Net], rows: Rows, tta: str = "none", precision: str = "auto") -> np.ndarray:
    """(len(rows), 18) float32 class probabilities, from the rows as they are, computed in `precision`; `tta` flip adds
    their mirror image. On a GPU without the memory for a batch of the usual size, smaller ones are tried."""
    device = next(net.parameters()).device
    net.eval()
    own = rows.take(np.arange(len(rows))[ranks.rows(len(rows))])
    batch = PREDICT_BATCH[device.type]
    part = None
    with memory("while predicting; try a smaller --scale, or a device with more memory"):
        while part is None:
            try:
                part = torch.cat(list(_predicted(net, probs, own, batch, tta == "flip", dtype(device, precision))))
            except RuntimeError as error:
                if batch == 1 or not is_out_of_memory(error):
                    raise
                batch //= 2
            if device.type == "cuda":
                torch.cuda.empty_cache()  # what predicting took is for whatever else trains on this GPU
    found = ranks.gather(part, len(rows)).cpu().numpy()
    if not np.isfinite(found).all():  # else these rows would pass for rows that no fold held out
        raise Refusal("what the net predicts is no longer a number; try --precision float32, or a lower --lr")
    return found


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
