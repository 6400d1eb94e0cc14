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
from distributed import Client

from core import disk, places
from core.launch import cluster as clusters
from core.launch import jobs, sweep
from core.refusal import Refusal
from core.runs import foldrun, provenance, reader
from core.training.kernel import load
from tests.conftest import PROJECT, tiny

V5 = PROJECT / "kernels/v5_multitask/run.py"
SECONDS = 60
#: One of dask's programs, that ends with its owner: these must not outlive tests that are killed.
PROGRAM = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
if __name__ == "__main__":
    runpy.run_module("distributed.cli." + sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def wait_for(found, seconds=SECONDS):
    """What `found` returns once it is true; the test fails if it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if there := found():
            return there
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s")


class Cluster:
    """A scheduler and workers of one thread, each a process group of its own, in another environment than the run's."""

    def __init__(self, folder):
        self.file, self.log = folder / "scheduler.json", folder / "cluster.log"
        self.processes = []
        self.start("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(self.file))
        self.address = json.loads(wait_for(lambda: self.file.is_file() and self.file.read_text()))["address"]

    def workers(self, *each, project=PROJECT):
        """A worker for each of these options, once all are there."""
        words = (self.address, "--nthreads", "1", "--host", "127.0.0.1")
        made = [self.start("dask_worker", *words, option, project=project) for option in each]
        with Client(self.address, timeout=SECONDS, set_as_default=False) as client:
            client.wait_for_workers(len(self.processes) - 1, SECONDS)
        return made

    def start(self, program, *words, project=PROJECT):
        nowhere = {"RUNS": "/nowhere", "CACHE": "/nowhere", "MASK18_DATA": "/nowhere"}
        with open(self.log, "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, program, "--no-dashboard", *words],
                cwd=self.log.parent,
                env={**os.environ, **nowhere, "PYTHONPATH": str(project)},
                stdin=subprocess.PIPE,
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
    train, data_dir, home, cluster, tmp_path
):
    flags = ("--epochs", "3", "--workers", "1", "--augment", "all")
    straight = train(V5, *flags, name="straight")
    lost, kept = cluster.workers("--no-nanny", "--nanny")
    words = [sys.executable, V5, *tiny(data_dir, *flags, "--name", "spread", "--cluster", cluster.address)]
    with open(tmp_path / "out", "w") as out:
        command = subprocess.Popen(list(map(str, words)), cwd=PROJECT, stdout=out, stderr=out)
    folder = places.runs() / "v5_multitask/spread"
    try:

        def half_way():
            assert command.poll() is None, (tmp_path / "out").read_text()
            theirs = [fold for fold, holder in holders(folder).items() if parent(holder) == lost.pid]
            return theirs and foldrun.read_log(folder / "folds" / theirs[0]) and theirs[0]

        fold = wait_for(half_way)
        holder = holders(folder)[fold]
        lost.kill()
        assert not (folder / "folds" / fold / "test.npy").exists()
        assert command.wait(SECONDS) == 0, (tmp_path / "out").read_text()
    finally:
        command.kill()
        command.wait(SECONDS)
    assert kept.poll() is None
    assert not os.path.exists(f"/proc/{holder}")
    spread = reader.load("v5_multitask/spread")
    np.testing.assert_array_equal(spread.oof, straight.oof)
    np.testing.assert_array_equal(spread.test, straight.test)
    for name in ("0", "1"):
        assert [row["epoch"] for row in foldrun.read_log(folder / "folds" / name)] == [0, 1, 2]
        assert disk.digest(folder / f"folds/{name}/model.safetensors") == disk.digest(
            straight.folder / f"folds/{name}/model.safetensors"
        )
    assert not list(folder.rglob(".*"))
    shown = (tmp_path / "out").read_text()
    assert shown.count("joint 3/3") == 2
    assert "Traceback" not in shown


def test_a_refusal_of_a_worker_is_the_commands_and_a_worker_trains_whole_runs(
    train, data_dir, cluster, tmp_path, capsys
):
    cluster.workers("--nanny")
    with pytest.raises(Refusal, match=r"^the training loss became nan in phase joint, in float32; try a lower --lr$"):
        train(V5, "--lr", "1e30", "--optimizer", "sgd", "--cluster", cluster.address)
    assert not list(places.runs().rglob("*.json"))
    straight = train(V5, name="straight")
    table = tmp_path / "sweep.csv"
    table.write_text("kernel,name\nv5_multitask,straight|swept\n")
    sweep.sweep(table, sweep.Options(cluster=cluster.address), tiny(data_dir))
    np.testing.assert_array_equal(reader.load("v5_multitask/swept").oof, straight.oof)
    assert "v5_multitask/swept  fold 2/2  joint 1/1" in capsys.readouterr().out
    with pytest.raises(Refusal, match="--jobs 2: is for this machine alone"):
        train(V5, "--jobs", "2", "--cluster", cluster.address)


def test_a_worker_without_the_project_is_told_what_to_do(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "WORKER_SECONDS", 1)
    with pytest.raises(Refusal, match=f"has no worker; start one with dask worker {cluster.address}"):
        clusters.reach(cluster.address)
    for folder in ("core", "core/runs"):
        (tmp_path / "another" / folder).mkdir(parents=True)
        (tmp_path / "another" / folder / "__init__.py").touch()
    (tmp_path / "another/core/runs/provenance.py").write_text("import dask_that_is_not_installed\n")
    cluster.workers("--no-nanny", project=tmp_path / "another")
    with pytest.raises(
        Refusal, match=r"lacks what it needs .*No module named 'dask_that_is_not_installed'.*; there, pip install -e"
    ):
        clusters.reach(cluster.address)


def test_a_worker_with_another_version_is_refused(cluster, monkeypatch):
    cluster.workers("--no-nanny")
    version = provenance._version
    monkeypatch.setattr(provenance, "_version", lambda name: f"{version(name)}+cpu")
    clusters.reach(cluster.address)
    monkeypatch.setattr(provenance, "_version", lambda name: "0.1" if name == "timm" else version(name))
    says = r"has timm [\d.]+ where the command has 0\.1; install the same there"
    with pytest.raises(Refusal, match=says):
        clusters.reach(cluster.address)
    # and one that joins later refuses what it is ordered to do
    job = jobs.whole_run(V5, load(V5).Recipe(data="nowhere"), 1)
    with pytest.raises(Refusal, match=says):
        jobs.check(jobs.run_job(0, job))


@pytest.mark.parametrize(
    "address", ["host", "tcp://host", "host:8786", "tls://host:1", "tcp://host:port", "tcp://:1", "1"]
)
def test_a_malformed_address_is_refused(address):
    with pytest.raises(Refusal, match=f"--cluster {address}: must be tcp://HOST:PORT"):
        clusters.reach(address)


def test_where_no_scheduler_is_one_line_says_so(train, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # bound, and nobody answers
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Refusal, match=f"--cluster {address}: no scheduler answers there"):
            train(V5, "--cluster", address)
    assert not places.runs().exists()
    with pytest.raises(Refusal, match="no scheduler answers there"):
        clusters.reach("tcp://127.0.0.1:9")
    with pytest.raises(Refusal, match="no scheduler answers there"):
        clusters.reach("tcp://no.such.host.invalid:8786")


def test_without_dask_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Refusal, match=r"needs dask; pip install -e '.*\[cluster\]'"):
        clusters.reach("tcp://127.0.0.1:8786")
