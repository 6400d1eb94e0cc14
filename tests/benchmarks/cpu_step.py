"""v5's training step on a CPU in several ways: images per second, ratios and what each costs to start, as a table.

    python -m tests.benchmarks.cpu_step
    python -m tests.benchmarks.cpu_step --backbone test_efficientnet --scales 0.15 --rounds 1 --seconds 0.2

Ours is the step of core/training/step.py with v5's net in channels_last memory, float32, on all threads. Each other way
differs from it in one thing. All of a scale take turns on one batch that lies in memory; a ratio is the median of the
rounds' ratios. Start is from the net to the end of its first step; started again is the same with a new net in the same
process, as the next fold has it: a compiled step then comes from the cache on disk, which is empty at first.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from core import flags, recipe
from core.data import competition, resample
from core.data.table import Rows
from core.images import store
from core.images.decode import Framing
from core.people import make
from core.refusal import first_line
from core.training import step
from core.training.kernel import load
from tests.benchmarks.measure import machine

KERNEL = load(Path(__file__).resolve().parents[2] / "kernels/v5_multitask/run.py")
CPU, CROP = torch.device("cpu"), (360, 200)
#: A processor that has one of these multiplies bfloat16; others convert it to float32 and back.
NATIVE_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    backbone: str = "lite0"  # any that --backbone of a kernel knows; its weights are random
    batch: flags.Count = 32  # images in a step
    scales: tuple[flags.Scale, ...] = (0.3, 0.4)  # of the 360x200 crop: 108x60 and 144x80
    seconds: flags.Positive = 5.0  # of each way in each round
    rounds: flags.Count = 3  # in which all ways take turns


@dataclass(frozen=True)
class Way:
    """How a step is made and run; the defaults are ours."""

    memory: torch.memory_format = torch.channels_last
    threads: int | None = None  # None: all
    dtype: torch.dtype = torch.float32
    compiled: bool = False


WAYS = {
    "ours: channels_last, all threads, float32": Way(),
    "NCHW memory": Way(memory=torch.contiguous_format),
    "1 thread": Way(threads=1),
    "bfloat16 autocast": Way(dtype=torch.bfloat16),
    "torch.compile": Way(compiled=True),
}


@contextmanager
def threads(way: Way) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(way.threads or before)
    yield
    torch.set_num_threads(before)


def step_of(way: Way, rows: Rows, options: Options) -> Callable[[], None]:
    """v5's step on one batch, again and again."""
    torch.manual_seed(0)
    net = KERNEL.Net(KERNEL.Recipe(backbone=options.backbone, weights="none")).to(memory_format=way.memory).train()
    asked = KERNEL.Recipe(batch=options.batch, augment="none", schedule="none", workers=0)
    (phase,) = KERNEL.plan(net, rows, asked)
    phase = replace(phase, forward=torch.compile(net) if way.compiled else net)
    learn = step.make(net, phase, phase.optimizer(phase.parameters), CPU, way.dtype)
    images, labels = next(phase.loader.epoch((0, 0, 0, 0)))
    images = images.contiguous(memory_format=way.memory)
    return lambda: learn(images, labels)


def started(way: Way, rows: Rows, options: Options) -> tuple[Callable[[], None], float, float]:
    """The step, once it has run, and the seconds that this took; for a new net in the same process too."""
    spent = []
    for _ in range(2):
        start = time.perf_counter()
        if way.compiled:
            torch.compiler.reset()  # what was compiled so far is forgotten, but for the cache on disk
        with threads(way):
            learn = step_of(way, rows, options)
            learn()
        spent.append(time.perf_counter() - start)
    return learn, spent[0], spent[1]


def rate(learn: Callable[[], None], way: Way, options: Options) -> float:
    """Images per second."""
    with threads(way):
        learn()
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < options.seconds:
            learn()
            steps += 1
        return options.batch * steps / (time.perf_counter() - start)


def table_of(rows: Rows, options: Options) -> Iterator[str]:
    """The lines of one scale."""
    made, why = {}, {}
    step_of(Way(), rows, options)()  # libraries load here, and not within the first start
    for name, way in WAYS.items():
        try:
            made[name] = started(way, rows, options)
        except Exception as error:  # whatever the compiler of the machine, or its absence, may raise
            why[name] = first_line(error)
    turns = tqdm(list(itertools.product(range(options.rounds), made)), desc="rounds", disable=None, leave=False)
    found: dict[str, list[float]] = {name: [] for name in made}
    for _, name in turns:
        found[name].append(rate(made[name][0], WAYS[name], options))
    height, width = rows.opened_store.size
    ours = np.array(next(iter(found.values())))
    for name in WAYS:
        head = f"| {height}x{width} | {name} |"
        if name in why:
            yield f"{head} cannot run here: {why[name]} | | | |"
            continue
        ratios = found[name] / ours
        said = f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
        yield f"{head} {np.median(found[name]):.1f} | {said} | {made[name][1]:.1f} | {made[name][2]:.1f} |"


def processor() -> str:
    """Whether bfloat16 is the processor's own, and what torch runs on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    features = {word for line in lines if line.startswith(("flags", "Features")) for word in line.split()}
    own = sorted(features & NATIVE_BFLOAT16)
    bfloat16 = f"bfloat16 in the processor: {', '.join(own)}" if own else "no bfloat16 in the processor"
    return f"{bfloat16}; {torch.get_num_threads()} threads; {torch.backends.cpu.get_cpu_capability()}"


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"CACHE": f"{scratch}/cache", "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/compiled"}
        people = Path(scratch) / "competition"
        make.draw_competition(make.Options(out=str(people), people=-(-options.batch // 7), eval_people=1))
        table = competition.load(people)
        print(f"{options.backbone}, batch {options.batch}; {machine()}; {processor()}\n")
        print("| pixels | way | images/s | ratio to ours (rounds) | start, s | started again, s |")
        print("|---|---|---|---|---|---|", flush=True)
        for scale in options.scales:
            opened = table.opened(store.open_store(table, Framing(CROP, scale)))
            for line in table_of(resample.repeat(opened.train, "none"), options):
                print(line, flush=True)


if __name__ == "__main__":
    main(recipe.parse(Options))
