"""Orders carried out by the workers of a Dask cluster, through joblib's dask backend. Free of torch.

    dask scheduler                              on one machine
    dask worker tcp://host:8786 --nthreads 1    on every machine, as many as folds shall be trained at once there
    python kernels/v5_multitask/run.py --cluster tcp://host:8786

All machines see the project, the data, the runs and the cache under the same paths, and have the packages in the same
versions. Each fold has a process of its own on its worker: it trains with this checkout's source even if the worker has
been up for weeks, and may have loader workers, which a worker's own daemonic process may not. A worker that dies loses
its fold to another one, which goes on from the last epoch.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import places
from core.launch import jobs
from core.refusal import Refusal, first_line
from core.runs import foldrun, provenance

ANSWER_SECONDS, WORKER_SECONDS = 5, 10
#: For as long a network file system may show a folder as it was.
FOLDER_SECONDS = 90


def reach(address: str, jobs: int = 1) -> None:
    """See that the cluster is there, before anything is prepared for it.

    Raises:
        Refusal: a malformed address, no dask, no scheduler, no worker, or a worker that lacks the project or has
            other versions of what can change a number.
    """
    if not re.fullmatch(r"tcp://([^/:\s]+|\[[0-9a-fA-F:]+\]):\d{1,5}", address):
        raise Refusal(f"--cluster {address}: must be tcp://HOST:PORT, as dask scheduler prints it")
    if jobs > 1:
        raise Refusal(
            f"--jobs {jobs}: is for this machine alone; with --cluster its workers decide, so give one of both"
        )
    with _client(address) as client:
        if not client.ncores():
            _wait_for_worker(address, client)
        sees = client.run(os.path.isfile, f"{places.HOME}/core/launch/worker.py", on_error="return")
        for worker in (worker for worker, found in sees.items() if found is not True):
            raise Refusal(
                f"--cluster {address}: {worker} does not see {places.HOME}; all machines need it at this path"
            )
        mine = provenance.versions()
        for worker, found in client.run(provenance.versions, on_error="return").items():
            if isinstance(found, Exception):
                raise Refusal(_lacking(address, found))
            if other := provenance.other_version(mine, found):
                raise Refusal(f"--cluster {address}: {worker} {other}")


def _lacking(address: str, error: Exception) -> str:
    return f"--cluster {address}: a worker lacks what it needs ({first_line(error)}); there, pip install -e '{places.HOME}[cluster]'"


def _wait_for_worker(address: str, client: Any) -> None:
    """An adaptive cluster starts one when there is something to do."""
    try:
        client.submit(os.getpid, pure=False).result(timeout=WORKER_SECONDS)
    except TimeoutError:
        raise Refusal(f"--cluster {address}: has no worker; start one with dask worker {address}") from None


@contextlib.contextmanager
def _client(address: str) -> Iterator[Any]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is lost is told in a line of ours
    found: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_connect, args=(address, found), daemon=True).start()
    try:
        client = found.get(timeout=2 * ANSWER_SECONDS)
    except queue.Empty:
        client = TimeoutError("something is there that is none")
    if isinstance(client, ImportError):
        raise Refusal(f"--cluster {address}: needs dask; pip install -e '{places.HOME}[cluster]'")
    if isinstance(client, Exception):
        raise Refusal(f"--cluster {address}: no scheduler answers there ({first_line(client)})")
    with client:
        yield client


def _connect(address: str, found: queue.Queue[Any]) -> None:
    """In a thread, for a client waits for ever for the greeting of what is no scheduler."""
    try:
        from distributed import Client

        found.put(Client(address, timeout=ANSWER_SECONDS, set_as_default=False))
    except Exception as error:
        found.put(error)


def train_folds(address: str, file: Path, recipe: dict[str, Any], work: Path, folds: list[int], threads: int) -> None:
    """Train these folds of the run in `work`; what they had to tell is told once.

    Raises:
        Refusal: what a fold refused, or the cluster is lost; the same command goes on from the last epochs.
    """
    with _client(address) as client:
        slots = sum(client.ncores().values()) or 1
        todo = [
            jobs.one_fold(file, recipe, threads, work, fold, (len(folds) - 1 - at) // slots)
            for at, fold in enumerate(folds)
        ]
        told: set[str] = set()
        for outcome in _outcomes(address, client, todo):
            for line in jobs.checked(outcome).said.splitlines():
                if line not in told:
                    print(line, file=sys.stderr)
                told.add(line)
    end = time.monotonic() + FOLDER_SECONDS
    for folder in (work / "folds" / str(fold) for fold in folds):
        while not foldrun.finished(folder):
            if time.monotonic() > end:
                raise Refusal(
                    f"--cluster {address}: trained {folder}, and it is not here; all machines need one folder"
                )
            time.sleep(1)


def outcomes(address: str, todo: list[jobs.Order]) -> Iterator[jobs.Outcome]:
    """What became of these orders, as the cluster finishes them.

    Raises:
        Refusal: the scheduler is lost, or an order's workers died again and again.
    """
    with _client(address) as client:
        yield from _outcomes(address, client, todo)


def _outcomes(address: str, client: Any, todo: list[jobs.Order]) -> Iterator[jobs.Outcome]:
    """From joblib in a thread of its own, for it would wait for ever for a scheduler that is gone."""
    found: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_collect, args=(client, todo, found), daemon=True).start()
    while True:
        try:
            there = found.get(timeout=1)
        except queue.Empty:
            if client.status not in ("running", "connecting"):
                raise Refusal(
                    f"--cluster {address}: the scheduler is gone; the same command goes on from the last epochs"
                ) from None
            continue
        if there is None:
            return
        if isinstance(there, Exception):
            raise _told(address, there)
        yield there


def _collect(client: Any, todo: list[jobs.Order], found: queue.Queue[Any]) -> None:
    """Each outcome as it comes, then None; or what went wrong."""
    from joblib import Parallel, delayed, parallel_config

    try:
        with parallel_config(backend="dask", client=client):
            parallel = Parallel(batch_size=1, pre_dispatch="all", return_as="generator_unordered")
            for outcome in parallel(delayed(jobs.carry_out)(number, order) for number, order in enumerate(todo)):
                found.put(outcome)
        found.put(None)
    except Exception as error:
        found.put(error)


def _told(address: str, error: Exception) -> Exception:
    """The error as the user should read it."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return Refusal(f"--cluster {address}: the workers of one fold died again and again; see their logs")
    return Refusal(_lacking(address, error)) if isinstance(error, ImportError) else error
