"""Time and memory against the number of people: reading, folds, the store, an epoch of the input path, the vote.

    make growth, or python -m tests.benchmarks.growth --people 250,500,1000

The first people are drawn; larger competitions hold hard links to the same files under other people's names, whose
decoding costs the same. From --repeat on, rows are repeated over the pixels of the first people and no file is read.
The vote is a soft vote of five runs of random probabilities with its out-of-fold score and interval. Each line is
measured in processes of its own, so that its memory is its own; that of the vote is free of torch.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core import flags, recipe, score
from core.data import age_filter, competition, folds, resample
from core.data.table import Rows, Table
from core.images import augment
from core.images.decode import Framing
from core.people import make
from core.runs import reader, writer
from ensembles.voting import run, soft

PROJECT = Path(__file__).resolve().parents[2]
KERNEL = PROJECT / "kernels" / "v5_multitask" / "run.py"
MEMBERS, FOLDS, CROP = 5, 5, (360, 200)
COLUMNS = {
    "people": "people",
    "images": "training images",
    "load": "folder read, s",
    "deal": "folds dealt, s",
    "build": "store built, s",
    "open": "opened again, s",
    "store": "store, MB",
    "plain": "plain epoch, s",
    "mix": "real mix epoch, s",
    "peak": "peak RSS, MB",
    "own": "without the store, MB",
    "vote": "vote, s",
    "score": "score with interval, s",
    "vote_peak": "its peak RSS, MB",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    people: tuple[flags.Count, ...] = (250, 500, 1000, 2700)  # competitions; the first is drawn, the others linked
    repeat: tuple[flags.Count, ...] = (27000,)  # rows repeated over the pixels of the first
    scale: flags.Scale = 0.4  # of the 360x200 crop
    mix_up_to: flags.Count = 1000  # people; the real mix takes as long for each image in a larger one
    workers: flags.Count = 2  # processes that augment


def enlarged(source: Path, target: Path, number: int) -> None:
    """A competition of so many people: hard links to the files of `source`, person after person, under other names."""
    shutil.copytree(source / "eval", target / "eval", copy_function=os.link)
    those = pd.read_csv(source / "train" / "train.csv", dtype=str)
    rows = []
    for at in range(number):
        who = those.iloc[at % len(those)]
        name = f"{200_000 + at:06d}"
        path = f"{name}_{who['gender']}_{who['race']}_{who['age']}"
        shutil.copytree(
            source / "train" / "images" / who["path"], target / "train" / "images" / path, copy_function=os.link
        )
        rows.append((name, who["gender"], who["race"], who["age"], path))
    frame = pd.DataFrame(rows, columns=["id", "gender", "race", "age", "path"])
    frame.to_csv(target / "train" / "train.csv", index=False)


def repeated(rows: Rows, number: int) -> Rows:
    """Rows of so many people over the same pixels."""
    people = rows.frame["person"].nunique()
    times = -(-number // people)
    frame = pd.concat([rows.frame.assign(person=rows.frame["person"] + f" {again}") for again in range(times)])
    keep = frame["person"].unique()[:number]
    return Rows(frame[frame["person"].isin(keep)].reset_index(drop=True), rows.store)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def epoch(rows: Rows, who: augment.Augmented, workers: int) -> float:
    """Seconds of one epoch of the input path, as uint8 ready to copy to a device."""
    from core.images.loader import Loader

    batches = Loader(rows, 16, augment.FINAL_RECIPE, who, workers)
    return timed(lambda: sum(len(made) for made, _ in batches.epoch((0, 0, 0, 0))))[1]


def peak() -> float:
    """The most resident memory of this process so far, in MB, the pages of the mapped store among it.

    Not getrusage's: that begins with the parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def inputs(root: Path, number: int, times: bool, options: Options) -> dict[str, float]:
    """Everything before the net: `number` people in the folder, or repeated from it where `times`."""
    from core.images import store
    from tests.benchmarks.measure import held

    table, read = timed(lambda: competition.load(root))
    opened, build = timed(lambda: store.open_store(table, Framing(CROP, options.scale)))
    train = table.opened(opened).train
    if times:
        train = repeated(train, number)
    deal = timed(lambda: folds.assign(train, FOLDS, 0.2))[1]
    found = {"people": number, "images": len(train), "deal": deal}
    if not times:
        again = timed(lambda: store.open_store(table, Framing(CROP, options.scale)))[1]
        found |= {"load": read, "build": build, "open": again, "store": opened.array.nbytes / 1e6}
    found["plain"] = epoch(resample.repeat(train, "none"), "none", options.workers)
    if number <= options.mix_up_to:
        mix = resample.repeat(age_filter.apply(train, old=58), "elderly")
        found["mix"] = epoch(mix, "copies", options.workers)
    return found | {"peak": peak(), "own": held(os.getpid()) / 1e6}


def members(root: Path, number: int) -> None:
    """Finished runs of random probabilities about so many people, with two test images to three to train on."""
    from core.training import device
    from core.training.kernel import load

    table = competition.load(root)
    train = repeated(table.train, number)
    asked = pd.DataFrame({"ImageID": [f"{at}.jpg" for at in range(len(train) * 2 // 3)]})
    fold_of_row = folds.assign(train, FOLDS, 0.2)
    table = Table(root, train, Rows(asked.assign(file=asked["ImageID"])), [], fold_of_row)
    for each in range(MEMBERS):
        rng, recipe = np.random.default_rng(each), load(KERNEL).Recipe(weights="none", seed=each)
        with writer.open_run(KERNEL, f"member{each}", recipe) as member:
            member.begin(table)
            for fold in table.folds:
                folder = member.fold_folder(fold)
                folder.mkdir(parents=True)
                for file, rows in (("oof.npy", int((fold_of_row == fold).sum())), ("test.npy", len(asked))):
                    np.save(folder / file, rng.dirichlet(np.ones(18), rows).astype(np.float32))
            member.join()
            member.end(device.machine("cpu", "", 1))


def vote() -> dict[str, float]:
    """The soft vote of all members, read from disk and checked; then its out-of-fold score."""
    node = soft(*(run(f"{KERNEL.parent.name}/member{each}") for each in range(MEMBERS)))
    (oof, _), seconds = timed(lambda: (node.probs("oof"), node.probs("test")))
    rows = reader.load(f"{KERNEL.parent.name}/member0").rows
    true, who = rows["label"].to_numpy(), rows["person"].to_numpy().astype(str)
    scored = timed(lambda: score.summary(true, oof.argmax(1), who))[1]
    return {"vote": seconds, "score": scored, "vote_peak": peak()}


def apart(step: str, root: Path, number: int, times: bool, options: Options, **places: str) -> dict[str, float]:
    """What `step` finds in a process of its own."""
    given = json.dumps([step, str(root), number, times, options.__dict__])
    words = [sys.executable, "-m", "tests.benchmarks.growth", "--step", given]
    environment = {**os.environ, **places}
    done = subprocess.run(words, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def step(given: str) -> None:
    name, root, number, times, options = json.loads(given)
    with redirect_stdout(sys.stderr):
        found: dict[str, float] = {}
        if name == "inputs":
            found = inputs(Path(root), number, times, Options(**options))
        elif name == "members":
            members(Path(root), number)
        else:
            found = vote()
    print(json.dumps(found))


def line(root: Path, number: int, times: bool, options: Options) -> str:
    """One line of the table; the store, the linked folder and the runs of it are removed."""
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        here, places = root, {"CACHE": f"{folder}/cache", "RUNS": f"{folder}/runs"}
        if not times and number != options.people[0]:
            here = Path(folder) / "people"
            enlarged(root, here, number)
        found = apart("inputs", here, number, times, options, **places)
        apart("members", root, number, times, options, **places)
        found |= apart("vote", root, number, times, options, **places)
    return "| " + " | ".join(shown(found[name]) if name in found else "" for name in COLUMNS) + " |"


def shown(value: float) -> str:
    return (
        f"{value:,.0f}" if isinstance(value, int) or value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    )


def main(options: Options) -> None:
    from tests.benchmarks.measure import machine

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "people"
        with redirect_stdout(sys.stderr):
            make.draw_competition(make.Options(out=str(root), people=options.people[0], eval_people=1))
        print("| " + " | ".join(COLUMNS.values()) + " |\n|" + "---|" * len(COLUMNS))
        for number in options.people:
            print(line(root, number, False, options), flush=True)
        for number in options.repeat:
            print(line(root, number, True, options), flush=True)
    print(f"\n360x200 at scale {options.scale:g}, soft vote of {MEMBERS} runs. {machine()}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step(sys.argv[2])
    else:
        main(recipe.parse(Options))
