"""What the benchmarks share: rates, processor time, memory, and the machine in words."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import psutil
import torch

from core.runs import provenance


def rate(epoch: Callable[[], Iterator[torch.Tensor]], seconds: float) -> tuple[float, float]:
    """(images per second, processor milliseconds per image) over as many whole epochs as `seconds` take."""
    before, seen, start = processor_seconds(), 0, time.perf_counter()
    while not seen or time.perf_counter() - start < seconds:
        seen += sum(len(made) for made in epoch())
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
    spent = time.perf_counter() - start
    return seen / spent, 1e3 * (processor_seconds() - before) / seen


def processor_seconds() -> float:
    """Of this process, of the workers that have ended and of those that live on between epochs."""
    living = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    return sum(os.times()[:4]) + sum(times.user + times.system for times in living)


class Memory(threading.Thread):
    """The most memory, in bytes, that this process and its workers held: shared pages once, mapped files not at all."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.stop = 0, threading.Event()

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join()

    def run(self) -> None:
        me = psutil.Process()
        while not self.stop.wait(0.1):
            self.peak = max(self.peak, sum(held(each.pid) for each in (me, *me.children(recursive=True))))


def held(process: int) -> int:
    """Bytes of a process that are no file's: its proportional share of anonymous and of shared memory."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon", "Pss_Shmem")))


def machine() -> str:
    """Processor, cores, how busy it is, and the versions that matter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    versions = provenance.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "albumentations", "numpy"))
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {named}, opencv {cv2.__version__}"
