"""Batches on their way to the device: on a GPU, batch k + 1 is gathered and copied while batch k is computed on."""

import itertools
from collections.abc import Iterable, Iterator

import torch

Batch = tuple[torch.Tensor, ...]
#: Batches in flight: one computed on, one that has crossed, one that is gathered.
SLOTS = 3


def prefetch(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Each batch on `device`, in order, holding until the next one is taken. None is larger than the first."""
    if device.type != "cuda":
        yield from (tuple(tensor.to(device) for tensor in batch) for batch in batches)
        return
    stream = torch.cuda.Stream(device)
    slots = itertools.cycle([_Slot(stream, device) for _ in range(SLOTS)])
    filled = map(_Slot.fill, slots, batches)
    waiting = next(filled, None)
    try:
        while waiting:
            following = next(filled, None)
            yield waiting.take()
            waiting.release()
            waiting = following
    finally:  # a batch that was filled and never taken has crossed before its memory is anyone else's
        torch.cuda.current_stream(device).wait_stream(stream)


class _Slot:
    """A pinned buffer, its twin on the GPU, and the events that keep copying and computing apart.

    The host waits only until a batch that is `SLOTS` back has crossed over, so it can't run ahead without bound.
    """

    def __init__(self, stream: torch.cuda.Stream, device: torch.device):
        self.stream, self.device, self.length = stream, device, 0
        self.host: Batch = ()
        self.twin: Batch = ()
        self.copied, self.used = torch.cuda.Event(), torch.cuda.Event()

    def fill(self, batch: Batch) -> "_Slot":
        """Copy to the pinned buffer here, and from there to the GPU on the stream, once its last use is over."""
        if not self.host:
            self._make(batch)
        self.copied.synchronize()
        self.length = len(batch[0])
        with torch.cuda.stream(self.stream):
            self.stream.wait_event(self.used)
            for tensor, host, twin in zip(batch, self.host, self.twin, strict=True):
                host[: self.length].copy_(tensor)
                twin[: self.length].copy_(host[: self.length], non_blocking=True)
            self.copied.record(self.stream)
        return self

    def _make(self, batch: Batch) -> None:
        """Both buffers, in the batch's memory order. The memory belongs to the computing stream, whose earlier use of
        it must be over before the copying stream writes."""
        self.host = tuple(torch.empty_like(tensor, pin_memory=True) for tensor in batch)
        self.twin = tuple(torch.empty_like(tensor, device=self.device) for tensor in batch)
        self.stream.wait_stream(torch.cuda.current_stream(self.device))

    def take(self) -> Batch:
        torch.cuda.current_stream(self.device).wait_event(self.copied)
        return tuple(tensor[: self.length] for tensor in self.twin)

    def release(self) -> None:
        """All that reads the batch has been launched; it may be overwritten after that."""
        self.used.record(torch.cuda.current_stream(self.device))
