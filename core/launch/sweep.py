"""Whole runs from a table: kernels x backbones x seeds, or any other flags.

    python -m core.launch.sweep sweep.csv --data DIR [--jobs N | --cluster tcp://host:port] [--dry] [--FLAG VALUE ...]

sweep.csv, for instance, where `|` joins alternatives, a row stands for all their combinations, and an empty cell for
the default:

    kernel,backbone,seed,lr
    v5_multitask,effb0|resnext50,0|1|2,
    v1_single|v2_fusion,effb0,0,1e-4

Other flags on the command line hold for all rows. Every row is read as its kernel's command line would be before
anything runs; then finished runs are skipped and the others trained, --jobs at once here or on a cluster
(cluster.py), each as its own command would. A run that is refused does not stop the others: it is named at the end.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from core import flags, places, recipe
from core.launch import cluster, jobs
from core.launch.display import Display
from core.launch.jobs import Job, JobResult
from core.launch.sweep_table import OWN, Planned, planned
from core.refusal import Refusal
from core.reports import listing


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the runs are trained; every other flag is the kernels'."""

    jobs: flags.Count = 1  # runs trained side by side on this machine
    cluster: str = ""  # tcp://host:port of a Dask scheduler, whose workers train the runs: core/launch/cluster.py
    dry: bool = False  # only list the runs


def sweep(table: Path, options: Options, flags: list[str]) -> None:
    """Train the runs of the table that are not finished, then print all of them.
    Refuses: anything wrong in the table, before anything runs; or at the end, that some runs were refused."""
    requested = planned(table, flags)
    for each in requested:
        state = "finished" if not each.due else "to be trained again" if each.finished else "to be trained"
        print(f"{each.name}  {state}")
    due = [each for each in requested if each.due]
    if options.dry:
        return
    if options.cluster:
        cluster.reach(options.cluster, options.jobs)
    refused = train(due, options) if due else []
    listing.table([each.name for each in requested])
    for name, why in refused:
        print(f"{name}: {why}", file=sys.stderr)
    if refused:
        raise Refusal(f"{len(refused)} of {len(due)} runs were refused; the same command trains what is left")


def train(
    due: list[Planned], options: Options, finished: Callable[[Planned], list[str]] = lambda _: []
) -> list[tuple[str, str]]:
    """Train these runs; (name, why) of those that were refused. The lines of `finished` are shown as each run ends."""
    todo = [jobs.whole_run(each.file, each.recipe, torch.get_num_threads()) for each in due]
    titles = [f"run {number}/{len(due)}  {each.name}" for number, each in enumerate(due, 1)]
    folders = {
        places.runs() / kernel / place / "folds": f"{title}  "
        for each, title in zip(due, titles, strict=True)
        for kernel, _, name in [each.name.partition("/")]
        for place in (name, f".{name}.new")
    }
    refused: list[tuple[str, str]] = []
    with Display(folders) as display:
        for result in _results(todo, options):
            each, title = due[result.number], titles[result.number]
            try:
                done = jobs.check(result)
            except (Refusal, RuntimeError) as error:
                refused.append((each.name, str(error)))
                display.write(f"{title}  refused")
            else:
                scores = [line for line in done.stdout.splitlines() if line.startswith("out of fold")]
                for line in (*done.stderr.splitlines(), *(scores or ["finished"]), *finished(each)):
                    display.write(f"{title}  {line}")
    return refused


def _results(todo: list[Job], options: Options) -> Iterator[JobResult]:
    if options.cluster:
        return cluster.results(options.cluster, todo)
    return jobs.side_by_side(todo, options.jobs, torch.cuda.device_count())


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """The words and flags of the sweep itself, and all other flags."""
    words: dict[bool, list[str]] = {True: [], False: []}
    own = True
    for word in argv:
        if word.startswith("-"):
            own = word.lstrip("-").partition("=")[0] in (*OWN, "help", "h")
        words[own].append(word)
    return words[True], words[False]


def main(argv: list[str]) -> None:
    own, others = _split(argv)
    (table,), options = recipe.parse_words(Options, [1], "a table: sweep.csv --data DIR (see --help)", own)
    sweep(Path(table), options, others)


if __name__ == "__main__":
    main(sys.argv[1:])
