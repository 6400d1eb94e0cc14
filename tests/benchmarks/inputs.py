"""The input path beside the usual way, in one run: images per second, ratios and goals, as a markdown table.

    make bench, or python -m tests.benchmarks.inputs --people 250

Draws its own people, decodes them into the store, then lets the usual way (tests/benchmarks/usual.py) and ours take
turns, so that whatever else the machine does hurts both alike. A rate is of whole epochs, the start of their workers
included; a ratio is the median of the rounds' ratios. Processor time is that of all processes, and says the same of a
busy machine as of a quiet one. Copies are those of v5's recipe: people of 58 and older, repeated up to the largest
age group.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from tqdm import tqdm

from core import flags, recipe
from core.data import age_filter, competition, resample
from core.data.table import Rows, Table
from core.images import augment, decode, loader, store
from core.images.decode import Framing
from core.people import make
from core.runs import provenance
from tests.benchmarks import usual

SAMPLE = 300


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    data: str = ""  # a competition folder, drawn there if it is not there; empty: drawn, measured and removed
    people: flags.Count = 250  # how many to draw
    batch: flags.Count = 16  # the recipes'
    workers: flags.Count = 2  # processes, of either way
    rounds: flags.Count = 3  # in which both ways take turns
    seconds: flags.Positive = 1.0  # that a round's epochs take at least


@dataclass(frozen=True)
class Case:
    """Two ways of making the same epoch: `ours(number)` and `theirs()` yield batches of images."""

    name: str
    goal: float | None
    ours: Callable[[int], Iterator[torch.Tensor]]
    theirs: Callable[[], Iterator[torch.Tensor]]


def cases(train: Rows, root: Path, options: Options) -> list[Case]:
    """Plain rows as uint8 and as float32, the real mix, and all rows augmented."""
    plain = resample.repeat(train, "none")
    mix = resample.repeat(age_filter.apply(train, old=58), "elderly")

    def ours(rows: Rows, who: augment.Augmented) -> Callable[[int], Iterator[torch.Tensor]]:
        batches = loader.Loader(rows, options.batch, augment.FINAL_RECIPE, who, options.workers)
        return lambda number: (made for made, _ in batches.epoch((0, 0, 0, number)))

    def theirs(rows: Rows, augmented: np.ndarray) -> Callable[[], Iterator[torch.Tensor]]:
        files = [str(root / file) for file in rows.column("file")]
        loader = usual.loader(usual.Usual(files, rows.column("label"), augmented), options.batch, options.workers)
        return lambda: (made for made, _ in loader)

    mean, std = (255 * torch.tensor(values).view(1, 3, 1, 1) for values in (usual.MEAN, usual.STD))
    as_uint8, usually = ours(plain, "none"), theirs(plain, np.zeros(len(plain), bool))
    share = mix.column("copy").mean()
    return [
        Case("no row augmented, uint8", 40, as_uint8, usually),
        Case(
            "no row augmented, normalised",
            None,
            lambda number: (made.float().sub_(mean).div_(std) for made in as_uint8(number)),
            usually,
        ),
        Case(f"the real mix, {share:.0%} augmented", 5, ours(mix, "copies"), theirs(mix, mix.column("copy"))),
        Case("every row augmented", 3, ours(plain, "all"), theirs(plain, np.ones(len(plain), bool))),
    ]


def rate(epoch: Callable[[], Iterator[torch.Tensor]], seconds: float) -> tuple[float, float]:
    """(images per second, processor milliseconds per image) over as many whole epochs as `seconds` take."""
    start, before, seen = time.perf_counter(), sum(os.times()[:4]), 0
    while time.perf_counter() - start < seconds:
        seen += sum(len(made) for made in epoch())
    return seen / (time.perf_counter() - start), 1e3 * (sum(os.times()[:4]) - before) / seen


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


def decoding(table: Table) -> tuple[store.Store, str]:
    """The store, and a line: its files per second on all cores beside one thread's, before and after."""

    def alone() -> float:
        files = [table.root / file for file in table.train.column("file")[:SAMPLE]]
        start = time.perf_counter()
        for file in files:
            decode.prepare(file, Framing(usual.CROP))
        return len(files) / (time.perf_counter() - start)

    before, start = alone(), time.perf_counter()
    opened = store.open_store(table, Framing(usual.CROP))
    built, after = time.perf_counter() - start, alone()
    number, slow = len(opened.array), (before + after) / 2
    start = time.perf_counter()
    store.open_store(table, Framing(usual.CROP))
    again = time.perf_counter() - start
    return opened, (
        f"The store: {number} files in {built:.1f} s, {number / built:.0f} files/s; one thread {slow:.0f} files/s: "
        f"{number / built / slow:.1f} times. {opened.array.nbytes / number / 1e3:.0f} kB an image. Opened again in {again:.2f} s."
    )


def measured(case: Case, options: Options, number: int) -> np.ndarray:
    """((rate, processor time) of the usual way, of ours), one after the other in round `number`."""
    numbers = iter(range(1000 * number, 1000 * (number + 1)))
    theirs = rate(case.theirs, options.seconds)
    return np.array([theirs, rate(lambda: case.ours(next(numbers)), options.seconds)])


def table_of(found: dict[Case, list[np.ndarray]]) -> Iterator[str]:
    yield "| rows | usual, images/s | ours, images/s | ratio (rounds) | goal | | processor ms/image, usual | ours | ratio |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for case, rounds in found.items():
        ratios = [ours[0] / theirs[0] for theirs, ours in rounds]
        (theirs, their_time), (ours, our_time) = np.median(rounds, 0)
        ratio = float(np.median(ratios))
        said = "" if case.goal is None else "met" if ratio >= case.goal else "missed"
        yield (
            f"| {case.name} | {theirs:,.0f} | {ours:,.0f} | {ratio:.1f} ({min(ratios):.1f} to {max(ratios):.1f}) "
            f"| {case.goal or ''} | {said} | {their_time:.2f} | {our_time:.2f} | {their_time / our_time:.1f} |"
        )


def machine() -> str:
    """Processor, cores, how busy it is, and the versions that matter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    versions = provenance.versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "albumentations", "numpy"))
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {named}, opencv {cv2.__version__}"


def warmed(case: Case) -> tuple[int, int]:
    """The most memory that the usual way and ours hold over their first batches, which also warm caches up."""
    peaks = []
    for epoch in (case.theirs, lambda: case.ours(0)):
        with Memory() as memory:
            for _ in zip(range(20), epoch(), strict=False):
                pass
            time.sleep(0.2)
        peaks.append(memory.peak)
    return peaks[0], peaks[1]


def bench(root: Path, options: Options) -> None:
    table = competition.load(root)
    store, line = decoding(table)
    made = cases(table.opened(store).train, root, options)
    usually, ours = np.max([warmed(case) for case in made], 0) / 1e6
    found: dict[Case, list[np.ndarray]] = {case: [] for case in made}
    with tqdm(total=options.rounds * len(made), desc="rounds", disable=None, leave=False) as bar:
        for number in range(options.rounds):
            for case in made:
                found[case].append(measured(case, options, number))
                bar.update()
    print(*table_of(found), sep="\n")
    print(f"\n{line}")
    print(f"Most memory with workers, the mapped store apart: usual {usually:.0f} MB, ours {ours:.0f} MB.")
    print(f"{machine()}.")


def main(options: Options) -> None:
    cv2.setNumThreads(0)  # a pool of threads does not survive the fork of a worker
    with tempfile.TemporaryDirectory() as folder:
        root = Path(options.data or f"{folder}/people")
        os.environ["CACHE"] = f"{folder}/cache"
        if not root.exists():
            make.draw_competition(make.Options(out=str(root), people=options.people, eval_people=1))
        bench(root, options)


if __name__ == "__main__":
    main(recipe.parse(Options))
