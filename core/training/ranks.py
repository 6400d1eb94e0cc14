"""The ranks of a run under torchrun. In an ordinary process there is one, and nothing here does anything.

Rank 0 owns the run: it alone locks, writes and speaks. The others train the folds that it tells them of, each with
its share of every batch, and end when it ends.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

#: How long a rank waits for another that is alive; one that dies is noticed by torchrun, which ends them all.
PATIENCE = timedelta(hours=6)
_board: list[distributed.Store] = []
_gradients: list[Any] = []


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the ranks that torchrun started, if it did: NCCL between GPUs, gloo between CPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    store, rank, world = next(distributed.rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    apart = distributed.PrefixStore("ranks", store)
    hook = sys.excepthook
    distributed.init_process_group(backend, store=apart, rank=rank, world_size=world, timeout=PATIENCE)
    sys.excepthook = hook  # the one that takes its place swallows a refusal's line
    _board.append(distributed.PrefixStore("tasks", store))
    _gradients.append(distributed.new_group(timeout=PATIENCE))
    yield
    _board.clear()
    _gradients.clear()
    distributed.destroy_process_group()  # not after an error: it would wait for ranks that wait for this one


def world() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def first() -> bool:
    return rank() == 0


def local() -> int:
    """Which of those on this machine this is, and so the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world() > 1 else 0


def share() -> tuple[int, int]:
    """(rank, world), as a loader wants it."""
    return rank(), world()


def gradients() -> distributed.ProcessGroup:
    """The group in which gradients are averaged, apart from all else that ranks tell each other.

    DistributedDataParallel keeps its group, and the group's threads, until Python is gone. A thread of gloo's that
    still holds one of our tensors then aborts the process, after all is done (github.com/pytorch/pytorch/pull/179291).
    One that is alive when the ranks part would keep the other group too, so a step must not outlive its fold.
    """
    return _gradients[0]


def tell(task: Any) -> None:
    """Rank 0 gives the others a task, anything that JSON can say; None is the last."""
    if _board and first():
        _board[0].set(f"task {_board[0].add('told', 1)}", json.dumps(task))


def heard() -> Iterator[Any]:
    """The tasks that rank 0 tells of, in order, until its last."""
    for number in itertools.count(1):
        key = f"task {number}"
        _board[0].wait([key], PATIENCE)
        task = json.loads(_board[0].get(key))
        if task is None:
            return
        yield task


@contextmanager
def leading() -> Iterator[None]:
    """Whatever ends this block, the others hear that there are no more tasks."""
    try:
        yield
    finally:
        tell(None)


def mean(value: torch.Tensor) -> torch.Tensor:
    """The mean over the ranks, the same bits on each of them."""
    return _summed(value) / world() if world() > 1 else value


def gather(part: torch.Tensor, number: int) -> torch.Tensor:
    """(number, ...) rows in order, from each rank the rows that `rows` says are its own."""
    if world() == 1:
        return part
    whole = part.new_zeros((number, *part.shape[1:]))
    whole[rows(number)] = part
    return _summed(whole)  # a sum with zeros is exact, and a row that two ranks gave would not be a probability


def rows(number: int) -> slice:
    """Which of so many rows, in order, are this rank's: its part of equal parts, give or take one."""
    return slice(number * rank() // world(), number * (rank() + 1) // world())


def agree(tensors: Iterable[torch.Tensor]) -> None:
    """Rank 0's values everywhere."""
    if world() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor, 0)


def _summed(value: torch.Tensor) -> torch.Tensor:
    whole = value.clone()
    distributed.all_reduce(whole)
    return whole
