"""The ranks of a run under torchrun. In an ordinary process there is one, and nothing here does anything.

Rank 0 owns the run: it alone locks, writes and prints. The others train the folds that it sends them, each with its
share of every batch, and end when it ends.
"""

import importlib
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypedDict

import torch
from torch import distributed

#: How long a rank waits for another that is alive; one that dies is noticed by torchrun, which ends them all.
PATIENCE = timedelta(hours=6)
_board: list[distributed.Store] = []


@contextmanager
def process_group() -> Iterator[None]:
    """Join torchrun's process group, if there is one: NCCL between GPUs, gloo between CPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # what an optimizer's first step loads would keep the group and its threads until Python is gone, if it came later;
    # a thread of gloo's that still holds a tensor then aborts the process (github.com/pytorch/pytorch/pull/179291)
    importlib.import_module("torch._dynamo")
    store, rank, world = next(distributed.rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    apart = distributed.PrefixStore("ranks", store)
    hook = sys.excepthook
    distributed.init_process_group(backend, store=apart, rank=rank, world_size=world, timeout=PATIENCE)
    sys.excepthook = hook  # the one that takes its place swallows a refusal's line
    _board.append(distributed.PrefixStore("tasks", store))
    yield
    _board.clear()
    distributed.destroy_process_group()  # not after an error: it would wait for ranks that wait for this one


def world() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    return rank() == 0


def local() -> int:
    """Which of those on this machine this is, and so the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world() > 1 else 0


def share() -> tuple[int, int]:
    return rank(), world()


class FoldTask(TypedDict):
    """A fold that all ranks train together, as `fold.train_fold` has it."""

    number: int
    run_dir: str
    after: int


def send_task(task: FoldTask | None) -> None:
    """Rank 0 gives the others a task; None is the last."""
    if _board and is_first():
        _board[0].set(f"task {_board[0].add('sent', 1)}", json.dumps(task))


def tasks() -> Iterator[FoldTask]:
    """The tasks that rank 0 sends, in order, until its last."""
    for number in itertools.count(1):
        key = f"task {number}"
        _board[0].wait([key], PATIENCE)
        task = json.loads(_board[0].get(key))
        if task is None:
            return
        yield task


@contextmanager
def leading() -> Iterator[None]:
    """Whatever ends this block, the others are told that there are no more tasks."""
    try:
        yield
    finally:
        send_task(None)


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


def whole_batch(part: torch.Tensor) -> torch.Tensor:
    """(world * b, ...): the parts (b, ...) of all ranks in order; gradients flow through this rank's own alone."""
    if world() == 1:
        return part
    parts = [torch.empty_like(part) for _ in range(world())]
    distributed.all_gather(parts, part.detach().contiguous())
    parts[rank()] = part
    return torch.cat(parts)


def add_up(gradients: list[torch.Tensor]) -> None:
    """Replace each by its sum over the ranks, all in one message."""
    if world() == 1:
        return
    flat = torch.cat([each.flatten() for each in gradients])
    distributed.all_reduce(flat)
    for each, part in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
        each.copy_(part.view_as(each))


def rows(number: int) -> slice:
    """Which of so many rows, in order, are this rank's: its part of equal parts, give or take one."""
    return slice(number * rank() // world(), number * (rank() + 1) // world())


def broadcast(tensors: Iterable[torch.Tensor]) -> None:
    """Rank 0's values everywhere: of batch statistics, and of weights, whose last bits a GPU may round otherwise."""
    for tensor in tensors if world() > 1 else ():
        sent = tensor.detach().contiguous()
        distributed.broadcast(sent, 0)
        tensor.detach().copy_(sent)


def _summed(value: torch.Tensor) -> torch.Tensor:
    total = value.clone()
    distributed.all_reduce(total)
    return total
