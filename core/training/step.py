"""The training step of a phase: forward, loss, backward, optimizer. Nothing is read back from the device.

On one GPU all but the optimizer is captured once per phase as a CUDA graph and replayed for each batch: at batch 16
a small network waits for the launches of its kernels otherwise. Under torchrun the ranks add up their gradients.
In float16 the loss is scaled, and a step whose gradients overflow is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from core.refusal import first_line
from core.training import ranks
from core.training.device import autocast
from core.training.phase import Phase

#: Batches before a capture: libraries load, cuDNN picks its algorithms, workspaces are made.
WARM_UP = 3


def make(
    net: nn.Module, phase: Phase, optimizer: Optimizer, device: torch.device, dtype: torch.dtype, mixes: bool = False
) -> Step:
    """The step of `phase`, whose parameters are among those of `net`, in `dtype`, as fast as this device allows;
    whether it `mixes` photographs.

    `net` is in training mode, and neither its weights, its buffers nor any random number are touched.
    """
    if device.type == "cuda" and ranks.world() == 1 and _Captured.possible:
        try:
            return _Captured(net, phase, optimizer, device, dtype, mixes)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # a net that reads a value back, or whose shapes depend on one
            net.zero_grad(set_to_none=True)
            # the end of a failed capture raises an error of its own over the one that made it fail
            why = first_line(error.__context__ or error)
            print(f"{phase.name} is trained without a CUDA graph, which is slower: {why}", file=sys.stderr)
    return Step(phase, optimizer, device, dtype)


class Scaler(torch.amp.GradScaler):
    """Counts the steps that it skips, on the device: nothing is read back before an epoch ends."""

    def __init__(self, device: torch.device, dtype: torch.dtype):
        super().__init__(device.type, enabled=dtype == torch.float16)
        self.skipped = torch.zeros((), device=device)

    def update(self, new_scale: float | torch.Tensor | None = None) -> None:
        if self.is_enabled():
            for state in self._per_optimizer_states.values():
                for found in state["found_inf_per_device"].values():
                    self.skipped += found
        super().update(new_scale)


class Step:
    """A batch through the phase, operation by operation."""

    def __init__(self, phase: Phase, optimizer: Optimizer, device: torch.device, dtype: torch.dtype):
        self.phase, self.optimizer, self.device, self.dtype = phase, optimizer, device, dtype
        self.total, self.scaler = torch.zeros((), device=device), Scaler(device, dtype)

    def __call__(self, images: torch.Tensor, targets: torch.Tensor, *other: torch.Tensor) -> None:
        """Learn from images uint8 (b, 3, h, w) and targets (b,) or (b, k), both on the device; `other` are the others'
        targets and the share of the first where two photographs are mixed in one."""
        self.optimizer.zero_grad(set_to_none=True)
        self._learn(images, targets, *other)
        self._move()

    def mean(self, steps: int) -> float:
        """The loss of the last so many steps, over all ranks: waits for the device."""
        mean = ranks.mean(self.total / steps).item()
        self.total.zero_()
        return mean

    def skipped(self) -> int:
        """How many steps were skipped since last asked, because a gradient overflowed: waits for the device."""
        number = int(self.scaler.skipped.item())
        self.scaler.skipped.zero_()
        return number

    def _learn(self, images: torch.Tensor, targets: torch.Tensor, *other: torch.Tensor) -> None:
        with autocast(self.device, self.dtype, cached=False):
            loss = self._loss(images, targets, *other)
        self.scaler.scale(loss).backward()
        self.total += loss.detach()

    def _loss(self, images: torch.Tensor, targets: torch.Tensor, *other: torch.Tensor) -> torch.Tensor:
        """Of the whole batch, where each rank has a share: a weighted mean is not the mean of the shares' means."""
        outputs = tree_map(ranks.whole_batch, self.phase.forward(images))
        loss = self.phase.loss(outputs, ranks.whole_batch(targets))
        if not other:
            return loss
        targets, share = other
        return share * loss + (1 - share) * self.phase.loss(outputs, targets)

    def _move(self) -> None:
        ranks.add_up([weight.grad for weight in self.phase.parameters if weight.grad is not None])
        self.scaler.step(self.optimizer)
        self.scaler.update()


class _Captured(Step):
    """Replays what one batch launched, on inputs that stay in place. The optimizer stays outside, so that learning
    rates can move; its gradients are those of the capture, overwritten by each replay and never set to None. The
    scale of the loss is read in place by each replay, and moved outside."""

    #: False from a failed capture on: before torch 2.12 it spoils all later ones of the process.
    possible = True

    def __init__(
        self,
        net: nn.Module,
        phase: Phase,
        optimizer: Optimizer,
        device: torch.device,
        dtype: torch.dtype,
        mixes: bool = False,
    ):
        super().__init__(phase, optimizer, device, dtype)
        batch, size = phase.loader.batch, phase.loader.rows.opened_store.size
        self.images = torch.zeros((batch, *size, 3), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
        one = torch.tensor(phase.loader.targets[:1])
        targets = torch.zeros((batch, *one.shape[1:]), dtype=one.dtype, device=device)
        self.targets = (targets, targets.clone(), torch.ones((), device=device)) if mixes else (targets,)
        self.graph = torch.cuda.CUDAGraph()
        # whatever a failed capture leaves, this block gives the present stream back
        with torch.cuda.stream(torch.cuda.current_stream(device)):
            stream = torch.cuda.Stream(device)
            with unchanged(net, device):
                self._warm_up(stream)
            _Captured.possible = False
            with torch.cuda.graph(self.graph, stream=stream):
                self._learn(self.images, *self.targets)
            _Captured.possible = True
        self.gradients = [(weight, weight.grad) for weight in phase.parameters]
        self.total.zero_()

    def _warm_up(self, stream: torch.cuda.Stream) -> None:
        """On the stream of the capture, beside the present one. What would spoil a capture, a value that is read
        back, is an error in the last round already; in the first ones constants are copied to the device."""
        present = torch.cuda.current_stream(self.device)
        stream.wait_stream(present)
        try:
            with torch.cuda.stream(stream):
                for number in range(WARM_UP):
                    torch.cuda.set_sync_debug_mode("error" if number == WARM_UP - 1 else "default")
                    self._learn(self.images, *self.targets)
        finally:
            torch.cuda.set_sync_debug_mode("default")
            present.wait_stream(stream)  # before the batch statistics are put back

    def __call__(self, images: torch.Tensor, *targets: torch.Tensor) -> None:
        self.images.copy_(images)
        for own, target in zip(self.targets, targets, strict=True):
            own.copy_(target)
        self.graph.replay()
        for weight, gradient in self.gradients:  # a phase that takes turns with this one has others
            weight.grad = gradient
        self._move()


@contextmanager
def unchanged(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Whatever is computed within leaves no batch statistic, no gradient and no random state of its own behind."""
    kept = [(buffer, buffer.clone()) for buffer in net.buffers()]
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)
        net.zero_grad(set_to_none=True)
