"""What a fold trains on: the device, the precision there, and what run.json keeps of the machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.refusal import Refusal, first_line
from core.runs.manifest import Machine
from core.training import ranks

#: From this compute capability on a GPU computes in bfloat16; torch says the same of older ones, which emulate it.
BFLOAT16_FROM = (8, 0)


def find(requested: str) -> str:
    """`auto` is the GPU if there is one; under torchrun each rank has its own.
    Refuses: a device that is not there, or that this torch cannot use."""
    if requested == "auto":
        requested = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = requested.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise Refusal(f"--device {requested}: must be auto, cpu, cuda or cuda:NUMBER")
    if requested == "cuda" and ranks.world() > 1:
        requested, index = f"cuda:{ranks.local()}", f"{ranks.local()}"
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise Refusal(f"--device {requested}: this machine has {torch.cuda.device_count()} GPUs; give --device cpu")
    if kind == "cuda":
        _try(requested)
    return requested


def _try(device: str) -> None:
    """A GPU that is too old for this torch, or that somebody else has filled, is refused before any work."""
    try:
        torch.zeros(1, device=device).add_(1).item()
    except RuntimeError as error:
        name, version = torch.cuda.get_device_name(device), f"torch {torch.__version__}"
        raise Refusal(
            f"--device {device}: {version} cannot use {name} ({first_line(error)}); give --device cpu"
        ) from None


def gpus(device: str) -> int:
    """How many GPUs the jobs of this `device` can be spread over: all, unless one of them is named; 0 on a CPU."""
    return torch.cuda.device_count() if device in ("auto", "cuda") else 0


def dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """What a net computes in: what --precision names; for "auto" bfloat16 on a GPU that has it, float16 on an older
    one, float32 on a CPU."""
    if precision != "auto":
        return getattr(torch, precision)
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= BFLOAT16_FROM else torch.float16


def autocast(device: torch.device, dtype: torch.dtype, cached: bool = True) -> torch.autocast:
    """Computes in `dtype`. A captured step must not keep `cached` casts of weights that move."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32, cache_enabled=cached)


def machine(device: str, precision: str, cluster: str, jobs: int) -> Machine:
    """What a run is trained on, as run.json keeps it."""
    if cluster:
        name = f"{device} on the workers of {cluster}"
    elif device.startswith("cuda"):
        used = range(min(jobs, torch.cuda.device_count())) if device == "cuda" else [device]
        name = ", ".join(torch.cuda.get_device_name(each) for each in used)
    else:
        name = "cpu"
    return {
        "device": name,
        "precision": precision if cluster else str(dtype(torch.device(device), precision)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "jobs": jobs,
        "ranks": ranks.world(),
    }


def unused_gpu() -> str:
    """What to tell a user whose NVIDIA driver this torch cannot use; empty if there is none, or it can."""
    if torch.cuda.is_available() or not Path("/proc/driver/nvidia/version").is_file():
        return ""
    return f"this machine has an NVIDIA driver, but torch {torch.__version__} finds no GPU that it can use"


@contextmanager
def memory(advice: str) -> Iterator[None]:
    """Whatever runs out of memory within is refused in one line, with this advice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise Refusal(f"out of memory {advice}") from None
        raise


def is_out_of_memory(error: Exception) -> bool:
    """Also in a driver's own words, when it has no room for a library's handle or a graph."""
    said = any(words in str(error) for words in ("allocate memory", "out of memory", "ALLOC_FAILED"))
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or said


def smaller(batch: int) -> str:
    """The advice where a batch of this size does not fit."""
    less = f"--batch {batch // 2}, or " if batch > 1 else ""
    return f"at --batch {batch}; try {less}a smaller --scale"
