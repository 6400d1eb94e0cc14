"""The input path beside others, in one run: images per second, ratios and goals, as markdown tables.

    make bench, or python -m tests.benchmarks.inputs --people 250

Draws its own people, decodes them into the store, then lets ours, the usual way (tests/benchmarks/usual.py) and its
peers (tests/benchmarks/peers.py) take turns, so that whatever else the machine does hurts all alike. A rate is of whole
epochs, from the files or the store to batches on the device, the start of workers included; a ratio is the median of
the rounds' ratios. Processor time is that of all processes, and says the same of a busy machine as of a quiet one.
Copies are those of v5's recipe: people of 58 and older, repeated up to the largest age group. Ours and torchvision give
uint8, the usual way and timm float32, normalised; one case has ours normalise too. Last comes which part of the
processor time of an image is whose.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from core import flags, recipe
from core.data import age_filter, competition, resample
from core.data.table import Rows, Table
from core.images import augment, decode, loader, store
from core.images.decode import Framing
from core.images.prefetch import prefetch
from core.people import make
from core.training import device as devices
from tests.benchmarks import breakdown, peers, usual
from tests.benchmarks.measure import Memory, machine, rate

SAMPLE = 300


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    data: str = ""  # a competition folder, drawn there if it is not there; empty: drawn, measured and removed
    people: flags.Count = 250  # how many to draw
    batch: flags.Count = 16  # the recipes'
    workers: flags.Count = 2  # processes, of each way
    rounds: flags.Count = 3  # in which all ways take turns
    seconds: flags.Positive = 1.0  # that a round's epochs take at least
    device: str = "auto"  # where batches end: auto, cpu, cuda, cuda:1


@dataclass(frozen=True, eq=False)
class Case:
    """The same epoch by several ways: `ours(number)`, and each of `others` by name, yield batches of images.

    `augmented`: our loader without workers, for the breakdown; None where nothing is augmented.
    """

    name: str
    goal: float | None  # of the ratio to the usual way
    ours: Callable[[int], Iterator[torch.Tensor]]
    others: dict[str, Callable[[], Iterator[torch.Tensor]]]
    augmented: loader.Loader | None = None


def cases(train: Rows, root: Path, options: Options, device: torch.device) -> list[Case]:
    """Plain rows as uint8 and as float32, the real mix, and all rows augmented."""
    plain = resample.repeat(train, "none")
    mix = resample.repeat(age_filter.apply(train, old=58), "elderly")

    def of(name: str, goal: float, rows: Rows, who: augment.Augmented) -> Case:
        ours, alone = (
            loader.Loader(rows, options.batch, augment.FINAL_RECIPE, who, number) for number in (options.workers, 0)
        )
        files, labels = [str(root / file) for file in rows.column("file")], rows.column("label")
        return Case(
            name,
            goal,
            lambda number: (made for made, _ in prefetch(ours.epoch((0, 0, 0, number)), device)),
            peers.ways(files, labels, ours.row_is_augmented, options.batch, options.workers, device),
            alone if who != "none" else None,
        )

    mean, std = (255 * torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (usual.MEAN, usual.STD))
    share = mix.column("copy").mean()
    as_uint8 = of("no row augmented, uint8", 40, plain, "none")
    normalised = Case(
        "no row augmented, normalised",
        None,
        lambda number: (made.float().sub_(mean).div_(std) for made in as_uint8.ours(number)),
        {name: as_uint8.others[name] for name in ("usual", "timm")},
    )
    real = of(f"the real mix, {share:.0%} augmented", 10, mix, "copies")
    return [as_uint8, normalised, real, of("every row augmented", 4, plain, "all")]


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
    """(rate, processor time) of ours and of each other way, one after the other in round `number`."""
    numbers = iter(range(1000 * number, 1000 * (number + 1)))
    ways = [lambda: case.ours(next(numbers)), *case.others.values()]
    return np.array([rate(way, options.seconds) for way in ways])


def table_of(found: dict[Case, list[np.ndarray]]) -> Iterator[str]:
    yield (
        "| rows | beside | theirs, images/s | ours, images/s | ratio (rounds) | goal | "
        "| processor ms/image, theirs | ours | ratio |"
    )
    yield "|---" * 10 + "|"
    for case, rounds in found.items():
        (ours, our_time), *medians = np.median(rounds, 0)
        for at, (name, (theirs, their_time)) in enumerate(zip(case.others, medians, strict=True), 1):
            ratios = [each[0, 0] / each[at, 0] for each in rounds]
            ratio = float(np.median(ratios))
            goal = case.goal if name == "usual" else None
            said = "" if goal is None else "met" if ratio >= goal else "missed"
            yield (
                f"| {case.name} | {name} | {theirs:,.0f} | {ours:,.0f} | {ratio:.1f} ({min(ratios):.1f} to {max(ratios):.1f}) "
                f"| {goal or ''} | {said} | {their_time:.2f} | {our_time:.2f} | {their_time / our_time:.1f} |"
            )


def parts_of(found: dict[Case, list[np.ndarray]]) -> Iterator[str]:
    """The breakdown of the cases that augment, whose second way is the usual one."""
    columns = {}
    for case, rounds in found.items():
        if case.augmented and case.goal:
            (_, ours), (_, usually), *_ = 1e3 * np.median(rounds, 0)
            columns[case.name] = (case.augmented, ours, usually, case.goal)
    return breakdown.table_of(columns)


def warmed(case: Case) -> np.ndarray:
    """The most memory that the usual way and ours hold over their first batches, which also warm caches up."""
    peaks = []
    for epoch in (case.others["usual"], lambda: case.ours(0)):
        with Memory() as memory:
            for _ in zip(range(20), epoch(), strict=False):
                pass
            time.sleep(0.2)
        peaks.append(memory.peak)
    return np.array(peaks)


def bench(root: Path, options: Options) -> None:
    device = torch.device(devices.find(options.device))
    table = competition.load(root)
    store, line = decoding(table)
    made = cases(table.opened(store).train, root, options, device)
    usually, ours = np.max([warmed(case) for case in made], 0) / 1e6
    found: dict[Case, list[np.ndarray]] = {case: [] for case in made}
    with tqdm(total=options.rounds * len(made), desc="rounds", disable=None, leave=False) as bar:
        for number in range(options.rounds):
            for case in made:
                found[case].append(measured(case, options, number))
                bar.update()
    print(*table_of(found), "", *parts_of(found), sep="\n")
    print(f"\n{line}")
    print(f"Most memory with workers, the mapped store apart: usual {usually:.0f} MB, ours {ours:.0f} MB.")
    print(f"{machine()}; batches end on {device}.")


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
