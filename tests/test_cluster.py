"""A Dask cluster on loopback: a real scheduler, two workers of which one is killed half way, and the bytes of a run
without it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from core import disk, record, runs
from tests.conftest import PROJECT, tiny

V5 = PROJECT / "kernels/v5_multitask/run.py"
SECONDS = 60


def wait_for(found, seconds=SECONDS):
    """What `found` returns once it is true; the test fails if it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if there := found():
            return there
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s")


class Cluster:
    """A scheduler and workers of one thread, each a process group of its own, in an environment that is not the run's."""

    def __init__(self, folder):
        self.file, self.log = folder / "scheduler.json", folder / "cluster.log"
        self.processes = []
        self.start("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(self.file))
        self.address = json.loads(wait_for(lambda: self.file.is_file() and self.file.read_text()))["address"]

    def worker(self, *more):
        return self.start("dask_worker", self.address, "--nthreads", "1", "--host", "127.0.0.1", *more)

    def start(self, program, *words):
        nowhere = {"RUNS": "/nowhere", "CACHE": "/nowhere", "MASK18_DATA": "/nowhere"}
        with open(self.log, "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard", *words],
                cwd=self.log.parent,
                env={**os.environ, **nowhere, "PYTHONPATH": str(PROJECT)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    made = Cluster(folder)
    yield made
    made.close()


def holders(folder):
    """The processes that train a fold of this run, by fold."""
    found = {}
    for path in folder.glob("folds/*/.lock"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            found[path.parent.name] = int(path.read_text().split()[1])
    return found


def parent(process):
    return int(open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[1])


def test_a_cluster_that_loses_a_worker_half_way_ends_with_the_bytes_of_a_run_without_it(
    train, competition, home, cluster, tmp_path
):
    flags = ("--epochs", "4", "--workers", "1", "--augment", "all")
    straight = train(V5, *flags, name="straight")
    lost, kept = cluster.worker("--no-nanny"), cluster.worker()
    words = [sys.executable, V5, *tiny(competition, *flags, "--name", "spread", "--cluster", cluster.address)]
    with open(tmp_path / "out", "w") as out:
        command = subprocess.Popen(list(map(str, words)), cwd=PROJECT, stdout=out, stderr=out)
    folder = runs.root() / "v5_multitask/spread"
    try:

        def half_way():
            assert command.poll() is None, (tmp_path / "out").read_text()
            theirs = [fold for fold, holder in holders(folder).items() if parent(holder) == lost.pid]
            return theirs and record.foldrun.read_log(folder / "folds" / theirs[0]) and theirs[0]

        fold = wait_for(half_way)
        holder = holders(folder)[fold]
        lost.kill()
        assert command.wait(SECONDS) == 0, (tmp_path / "out").read_text()
    finally:
        command.kill()
        command.wait(SECONDS)
    assert kept.poll() is None
    assert not os.path.exists(f"/proc/{holder}")
    spread = runs.load("v5_multitask/spread")
    np.testing.assert_array_equal(spread.oof, straight.oof)
    np.testing.assert_array_equal(spread.test, straight.test)
    for name in ("0", "1"):
        assert [row["epoch"] for row in record.foldrun.read_log(folder / "folds" / name)] == [0, 1, 2, 3]
        assert disk.digest(folder / f"folds/{name}/model.safetensors") == disk.digest(
            straight.folder / f"folds/{name}/model.safetensors"
        )
    assert not list(folder.rglob(".*"))
    shown = (tmp_path / "out").read_text()
    assert shown.count("joint 4/4") == 2
    assert "Traceback" not in shown
