"""An order is a fold or a whole run, carried out in a process of its own, here or on another machine. Free of torch.

Only an order crosses: a kernel's path, a recipe as a dict, a fold's number and other plain values. The process
(worker.py) reads the checkout and the folders that the order names, whatever its owner's own environment; it ends
with its owner, so that whoever is given the fold next can go on from its last epoch.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import places
from core.refusal import Refusal
from core.runs import provenance

Order = dict[str, Any]
#: Values of flags that are otherwise files.
WORDS = {"weights": ("imagenet", "package", "none"), "fix_labels": ("known", "none")}


@dataclass(frozen=True)
class Outcome:
    """What the process of the order `number` left: its exit code, its stdout and stderr, and where it ran."""

    number: int
    code: int
    printed: str
    said: str
    host: str


def whole_run(file: Path, recipe: dict[str, Any], threads: int) -> Order:
    """The order to train what is left of a run, as its command would if it were typed here."""
    return {
        "home": str(places.HOME),
        "at": os.getcwd(),
        "places": {"RUNS": os.path.abspath(places.runs()), "CACHE": os.path.abspath(places.caches())},
        "file": str(file),
        "recipe": {**recipe, "cluster": "", "data": os.path.abspath(places.data(recipe["data"]))},
        "threads": threads,
        "versions": provenance.versions(),
    }


def one_fold(file: Path, recipe: dict[str, Any], threads: int, work: Path, fold: int, after: int) -> Order:
    """The order to train what is left of one fold of the run in `work`; `after` as `crossval.train_fold` has it."""
    files = {name: os.path.abspath(recipe[name]) for name, words in WORDS.items() if recipe[name] not in words}
    order = whole_run(file, {**recipe, **files}, threads)
    return {**order, "fold": fold, "work": os.path.abspath(work), "after": after}


def carry_out(number: int, order: Order) -> Outcome:
    """Carry the order out and wait for it; as a task of a cluster that nobody waits for any more, kill it."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(order["threads"]))
    environment = {**os.environ, **order["places"], **threads, "PYTHONPATH": order["home"]}
    # -P: the packages of the order's checkout, not of the folder that it is carried out in
    words, wanted = [sys.executable, "-P", "-m", "core.launch.worker"], _wanted()
    place = order["at"] if os.path.isdir(order["at"]) else order["home"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with subprocess.Popen(
            words, cwd=place, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True
        ) as child:
            assert child.stdin
            with contextlib.suppress(BrokenPipeError):  # it ended at once, and has said why
                child.stdin.write(json.dumps(order) + "\n")
                child.stdin.flush()
            try:
                while _runs(child) and wanted():
                    pass
            finally:
                child.kill()
        out.seek(0)
        err.seek(0)
        return Outcome(number, child.returncode, out.read(), err.read(), socket.gethostname())


def _runs(child: subprocess.Popen) -> bool:
    try:
        child.wait(0.5)
    except subprocess.TimeoutExpired:
        return True
    return False


def _wanted() -> Callable[[], bool]:
    """Whether somebody still waits for the task that this thread carries out; outside a cluster always."""
    if "distributed" not in sys.modules:
        return lambda: True
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return lambda: True
    key = worker.get_current_task()
    return lambda: key in worker.state.tasks and worker.state.tasks[key].state != "cancelled"


def checked(outcome: Outcome) -> Outcome:
    """The outcome of a process that did what it was ordered to.

    Raises:
        Refusal: what it refused, or that it was killed.
        RuntimeError: with its traceback, if a fault of ours ended it.
    """
    if outcome.code == 2:
        raise Refusal((outcome.said.strip().splitlines() or ["refused"])[-1])
    if outcome.code < 0:
        raise Refusal(
            f"{outcome.host} killed the process with {signal.Signals(-outcome.code).name} (is its memory full?); the same command goes on from the last epoch"
        )
    if outcome.code:
        raise RuntimeError(f"on {outcome.host}:\n{outcome.said}")
    return outcome
