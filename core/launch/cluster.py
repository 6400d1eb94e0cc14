"""Jobs run by the workers of a Dask cluster, through joblib's dask backend. Free of torch.

    dask scheduler                              on one machine
    dask worker tcp://host:8786 --nthreads 1    on every machine, as many as folds shall be trained at once there
    python kernels/v5_multitask/run.py --cluster tcp://host:8786

All machines see the project, the data, the runs and the cache under the same paths, and have the packages in the same
versions. Each fold has a process of its own on its worker: it trains with this checkout's source even if the worker has
been up for weeks, and may have loader workers, which a worker's own daemonic process may not. A worker that dies loses
its fold to another one, which resumes from the last epoch.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core import places
from core.launch import jobs
from core.launch.jobs import Job, JobResult
from core.recipe import Shared
from core.refusal import Refusal, first_line
from core.runs import foldrun, provenance

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS, WORKER_SECONDS = 5, 10
#: For as long a network file system may show a folder as it was.
FOLDER_SECONDS = 90


def reach(address: str, number_of_jobs: int = 1) -> None:
    """See that the cluster is there, before anything is prepared for it.
    Refuses: a malformed address, no dask, no scheduler, no worker, or a worker that lacks the project or has other
    versions of what can change a number."""
    if not re.fullmatch(r"tcp://([^/:\s]+|\[[0-9a-fA-F:]+\]):\d{1,5}", address):
        raise Refusal(f"--cluster {address}: must be tcp://HOST:PORT, as dask scheduler prints it")
    if number_of_jobs > 1:
        raise Refusal(f"--jobs {number_of_jobs}: is for this machine alone; give --jobs or --cluster")
    with _client(address) as client:
        if not client.ncores():
            _wait_for_worker(address, client)
        sees = client.run(os.path.isfile, f"{places.HOME}/core/launch/worker.py", on_error="return")
        for worker in (worker for worker, found in sees.items() if found is not True):
            raise Refusal(f"--cluster {address}: {worker} does not see {places.HOME}, which all machines need")
        own = provenance.versions()
        for worker, found in client.run(provenance.versions, on_error="return").items():
            if isinstance(found, Exception):
                raise Refusal(_lacking(address, found))
            if differing := provenance.other_version(own, found):
                raise Refusal(f"--cluster {address}: {worker} {differing}")


def _lacking(address: str, error: Exception) -> str:
    return f"--cluster {address}: a worker lacks what it needs ({first_line(error)}); there, pip install -e '{places.HOME}[cluster]'"


def _wait_for_worker(address: str, client: Client) -> None:
    """An adaptive cluster starts one when there is something to do."""
    try:
        client.submit(os.getpid, pure=False).result(timeout=WORKER_SECONDS)
    except TimeoutError:
        raise Refusal(f"--cluster {address}: has no worker; start one with dask worker {address}") from None


@contextlib.contextmanager
def _client(address: str) -> Iterator[Client]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a lost worker is reported in one line of ours
    found: queue.Queue[Client | Exception] = queue.Queue()
    threading.Thread(target=_connect, args=(address, found), daemon=True).start()
    try:
        client: Client | Exception = found.get(timeout=2 * ANSWER_SECONDS)
    except queue.Empty:
        client = TimeoutError("something is there that is none")
    if isinstance(client, ImportError):
        raise Refusal(f"--cluster {address}: needs dask; pip install -e '{places.HOME}[cluster]'")
    if isinstance(client, Exception):
        raise Refusal(f"--cluster {address}: no scheduler answers there ({first_line(client)})")
    with client:
        yield client


def _connect(address: str, found: queue.Queue[Client | Exception]) -> None:
    """In a thread, for a client waits for ever for the greeting of what is no scheduler."""
    try:
        from distributed import Client

        found.put(Client(address, timeout=ANSWER_SECONDS, set_as_default=False))
    except Exception as error:
        found.put(error)


def train_folds(
    address: str, file: Path, recipe: Shared, run_dir: Path, folds: list[int], threads: int, until: float
) -> None:
    """Train these folds of the run in `run_dir`; a line that several of them print to stderr is printed once.
    Refuses: what a fold refused, or a cluster that is lost; the same command resumes from the last epochs."""
    with _client(address) as client:
        slots = sum(client.ncores().values()) or 1
        todo = jobs.fold_jobs(file, recipe, threads, run_dir, folds, slots, until)
        jobs.wait_for(_results(address, client, todo))
    end = time.monotonic() + FOLDER_SECONDS
    for folder in (run_dir / "folds" / str(fold) for fold in folds):
        while not foldrun.finished(folder):
            if time.monotonic() > end:
                raise Refusal(f"--cluster {address}: {folder} is not here; all machines need one folder")
            time.sleep(1)


def results(address: str, todo: list[Job]) -> Iterator[JobResult]:
    """What became of these jobs, as the cluster finishes them.
    Refuses: a scheduler that is lost, or a job whose workers died again and again."""
    with _client(address) as client:
        yield from _results(address, client, todo)


def _results(address: str, client: Client, todo: list[Job]) -> Generator[JobResult]:
    """From joblib in a thread of its own, for it would wait for ever for a scheduler that is gone."""
    found: queue.Queue[JobResult | Exception | None] = queue.Queue()
    threading.Thread(target=_collect, args=(client, todo, found), daemon=True).start()
    while True:
        try:
            result = found.get(timeout=1)
        except queue.Empty:
            if client.status not in ("running", "connecting"):
                raise Refusal(f"--cluster {address}: the scheduler is gone; the same command resumes") from None
            continue
        if result is None:
            return
        if isinstance(result, Exception):
            raise _as_refusal(address, result)
        yield result


def _collect(client: Client, todo: list[Job], found: queue.Queue[JobResult | Exception | None]) -> None:
    """Each result as it comes, then None; or what went wrong."""
    from joblib import Parallel, delayed, parallel_config

    try:
        with parallel_config(backend="dask", client=client):
            parallel = Parallel(batch_size=1, pre_dispatch="all", return_as="generator_unordered")
            for result in parallel(delayed(jobs.run_job)(number, job) for number, job in enumerate(todo)):
                found.put(result)
        found.put(None)
    except Exception as error:
        found.put(error)


def _as_refusal(address: str, error: Exception) -> Exception:
    """The error as the user should read it."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return Refusal(f"--cluster {address}: the workers of one fold died again and again; see their logs")
    return Refusal(_lacking(address, error)) if isinstance(error, ImportError) else error
