"""The training step of a phase: forward, loss, backward, optimizer. Nothing is read back from the device.

On one GPU all but the optimizer is captured once per phase as a CUDA graph and replayed for each batch: at batch 16
a small network waits for the launches of its kernels otherwise. Under torchrun the ranks average their gradients.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from core.refusal import first_line
from core.training import ranks
from core.training.device import precision
from core.training.phase import Phase

#: Batches before a capture: libraries load, cuDNN picks its algorithms, workspaces are made.
WARM_UP = 3


def make(net: nn.Module, phase: Phase, optimizer: torch.optim.Optimizer, device: torch.device) -> Step:
    """The step of `phase`, whose parameters are among those of `net`, as fast as this device allows.

    `net` is in training mode, and neither its weights, its buffers nor any random number are touched.
    """
    if ranks.world() > 1:
        return _InRanks(phase, optimizer, device)
    if device.type == "cuda":
        try:
            return _Captured(net, phase, optimizer, device)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # a net that reads a value back, or whose shapes depend on one
            net.zero_grad(set_to_none=True)
            why = first_line(error)
            print(f"{phase.name} is trained without a CUDA graph, which is slower: {why}", file=sys.stderr)
    return Step(phase, optimizer, device)


class Step:
    """A batch through the phase, operation by operation."""

    def __init__(self, phase: Phase, optimizer: torch.optim.Optimizer, device: torch.device):
        self.phase, self.optimizer, self.device = phase, optimizer, device
        self.total = torch.zeros((), device=device)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Learn from images uint8 (b, 3, h, w) and labels int64 (b,), both on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        self._learn(images, labels)
        self.optimizer.step()

    def mean(self, steps: int) -> float:
        """The loss of the last so many steps, over all ranks: the one place that waits for the device."""
        mean = ranks.mean(self.total / steps).item()
        self.total.zero_()
        return mean

    def _learn(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        with precision(self.device, cached=False):
            loss = self._loss(images, labels)
        loss.backward()
        self.total += loss.detach()

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.phase.loss(self.phase.forward(images), labels)


class _Captured(Step):
    """Replays what one batch launched, on inputs that stay in place. The optimizer stays outside, so that learning
    rates can move; its gradients are those of the capture, overwritten by each replay and never set to None."""

    def __init__(self, net: nn.Module, phase: Phase, optimizer: torch.optim.Optimizer, device: torch.device):
        super().__init__(phase, optimizer, device)
        batch, size = phase.loader.batch, phase.loader.rows.opened_store.size
        self.images = torch.zeros((batch, *size, 3), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
        self.labels = torch.zeros(batch, dtype=torch.int64, device=device)
        self.graph = torch.cuda.CUDAGraph()
        # whatever a failed capture leaves, this block gives the present stream back
        with torch.cuda.stream(torch.cuda.current_stream(device)):
            stream = torch.cuda.Stream(device)
            with unchanged(net, device):
                self._warm_up(stream)
            with torch.cuda.graph(self.graph, stream=stream):
                self._learn(self.images, self.labels)
        self.total.zero_()

    def _warm_up(self, stream: torch.cuda.Stream) -> None:
        """On the stream of the capture, beside the present one."""
        present = torch.cuda.current_stream(self.device)
        stream.wait_stream(present)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._learn(self.images, self.labels)
        present.wait_stream(stream)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.graph.replay()
        self.optimizer.step()


class _InRanks(Step):
    """The gradients are averaged over the ranks as they are made, each rank with its share of the batch."""

    def __init__(self, phase: Phase, optimizer: torch.optim.Optimizer, device: torch.device):
        super().__init__(phase, optimizer, device)
        # a static graph allows a net with weights that never get a gradient, at no cost per step
        self.shared = nn.parallel.DistributedDataParallel(
            _Loss(phase), process_group=ranks.gradients(), static_graph=True
        )

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.shared(images, labels)


class _Loss(nn.Module):
    """The phase's loss as a module over the phase's parameters, which are what the ranks must agree on. It has no
    buffers, so each rank's batch statistics are its own until the epoch ends."""

    def __init__(self, phase: Phase):
        super().__init__()
        self.weights = nn.ParameterList(phase.parameters)
        self.of = lambda images, labels: phase.loss(phase.forward(images), labels)

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.of(images, labels)


@contextmanager
def unchanged(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Whatever is computed within leaves no batch statistic, no gradient and no random state of its own behind."""
    kept = [(buffer, buffer.clone()) for buffer in net.buffers()]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
    for buffer, before in kept:
        buffer.copy_(before)
    net.zero_grad(set_to_none=True)
