"""A job is a fold or a whole run, trained in a process of its own, here or on another machine. Free of torch.

Only a job crosses: a kernel's path, a recipe as a dict, a fold's number and other plain values. The process (worker.py)
reads the checkout and the folders that the job names, whatever its parent's own environment; it ends with its parent,
so that another worker can resume the fold from its last epoch.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core import places, recipe
from core.recipe import Shared, Values
from core.refusal import Interrupted, Refusal
from core.runs import provenance


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: the checkout `home`, the folder `cwd` where the command was typed, the variables
    that move folders, the kernel's file, its recipe, and for a single fold its number, its run, what comes after, and
    when to stop."""

    home: str
    cwd: str
    variables: dict[str, str]
    file: str
    recipe: Values
    threads: int
    versions: dict[str, str | None]
    fold: int | None = None
    run_dir: str = ""
    after: int = 0
    until: float = 0.0


@dataclass(frozen=True)
class JobResult:
    """What the process of the job `number` left: its exit code, its stdout and stderr, and where it ran."""

    number: int
    code: int
    stdout: str
    stderr: str
    host: str


def whole_run(file: Path, requested: Shared, threads: int) -> Job:
    """The job to train what is left of a run, as its command would if it were typed here."""
    data = os.path.abspath(places.data(requested.data))
    return Job(
        home=str(places.HOME),
        cwd=os.getcwd(),
        variables={"RUNS": os.path.abspath(places.runs()), "CACHE": os.path.abspath(places.caches())},
        file=str(file),
        recipe=recipe.values(replace(requested, cluster="", data=data)),
        threads=threads,
        versions=provenance.versions(),
    )


def fold_jobs(
    file: Path, requested: Shared, threads: int, run_dir: Path, folds: list[int], at_once: int, until: float
) -> list[Job]:
    """The jobs to train what is left of these folds of the run in `run_dir`, so many of them at once."""
    files = {name: os.path.abspath(path) for name, path in recipe.files(requested).items()}
    if requested.extra:
        files["extra"] = os.path.abspath(requested.extra)
    job = whole_run(file, requested, threads)
    job = replace(job, recipe={**job.recipe, **files}, run_dir=os.path.abspath(run_dir), until=until)
    afters = [(len(folds) - 1 - at) // at_once for at in range(len(folds))]
    return [replace(job, fold=fold, after=after) for fold, after in zip(folds, afters, strict=True)]


def side_by_side(todo: list[Job], number: int, gpus: int) -> Generator[JobResult]:
    """What became of these jobs, in order of their ends; `number` at a time, each in a process of its own. Closing
    it ends the jobs that are left.

    gpus: how many there are. Each of the `number` places has one of them for itself while there are enough, so that
    no GPU idles beside one with two jobs; a job that names its device keeps it.
    """
    places_: queue.Queue[str] = queue.Queue()
    for place in range(number):
        places_.put(f"cuda:{place % gpus}" if gpus > 1 else "")
    stopped = threading.Event()

    def run(at: int) -> JobResult:
        gpu = places_.get()
        try:
            return run_job(at, _on(todo[at], gpu), lambda: not stopped.is_set())
        finally:
            places_.put(gpu)

    with ThreadPoolExecutor(number) as pool:
        waiting = [pool.submit(run, at) for at in range(len(todo))]
        try:
            yield from (each.result() for each in as_completed(waiting))
        finally:
            stopped.set()
            for each in waiting:
                each.cancel()


def _on(job: Job, gpu: str) -> Job:
    return (
        replace(job, recipe={**job.recipe, "device": gpu}) if gpu and job.recipe["device"] in ("auto", "cuda") else job
    )


def wait_for(results: Generator[JobResult]) -> None:
    """Wait for all of them, also when some stop as they were told to; a line that several print is printed once.
    Refuses what one of them refused, once the others have been ended."""
    printed: set[str] = set()
    stopped = None
    with contextlib.closing(results):
        for result in results:
            try:
                lines = check(result).stderr.splitlines()
            except Interrupted as interrupted:
                stopped, lines = interrupted, []
            for line in (line for line in dict.fromkeys(lines) if line not in printed):
                print(line, file=sys.stderr)
            printed.update(lines)
    if stopped:
        raise stopped


def run_job(number: int, job: Job, wanted: Callable[[], bool] | None = None) -> JobResult:
    """Run the job's process and wait for it; kill it once it is no longer `wanted`, or a cluster cancels its task."""
    wanted = wanted or _task_is_wanted()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(job.threads))
    environment = {**os.environ, **job.variables, **threads, "PYTHONPATH": job.home}
    # -P: the packages of the job's checkout, not of the folder that it runs in
    words = [sys.executable, "-P", "-m", "core.launch.worker"]
    cwd = job.cwd if os.path.isdir(job.cwd) else job.home
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with subprocess.Popen(
            words, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True
        ) as child:
            assert child.stdin
            with contextlib.suppress(BrokenPipeError):  # it ended at once, and has said why
                child.stdin.write(json.dumps(asdict(job)) + "\n")
                child.stdin.flush()
            try:
                while _alive(child) and wanted():
                    pass
            finally:
                child.kill()
        out.seek(0)
        err.seek(0)
        return JobResult(number, child.returncode, out.read(), err.read(), socket.gethostname())


def _alive(child: subprocess.Popen[str]) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.5)
    return child.returncode is None


def _task_is_wanted() -> Callable[[], bool]:
    """Whether the task that this thread runs is still wanted: outside a cluster always."""
    if "distributed" not in sys.modules:
        return lambda: True
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return lambda: True
    key = worker.get_current_task()
    return lambda: key in worker.state.tasks and worker.state.tasks[key].state != "cancelled"


def check(result: JobResult) -> JobResult:
    """The result of a process that did its job.

    Raises:
        Refusal: what it refused, that it stopped as it was told to, or that it was killed.
        RuntimeError: with its traceback, if a fault of ours ended it.
    """
    for kind in (Refusal, Interrupted):
        if result.code == kind.code:
            raise kind((result.stderr.strip().splitlines() or ["refused"])[-1])
    if result.code < 0:
        name = signal.Signals(-result.code).name
        raise Refusal(f"{result.host} killed the process with {name} (is its memory full?); the same command resumes")
    if result.code:
        raise RuntimeError(f"on {result.host}:\n{result.stderr}")
    return result
