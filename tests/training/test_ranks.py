"""torchrun: two ranks train as one process does, one of them writes, and one that dies ends the run."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from core import places
from core.data import competition, folds, resample
from core.images import loader, store
from core.images.decode import Framing
from core.launch.predict import networks
from core.refusal import Refusal
from core.runs import foldrun, reader
from core.training import loop, ranks
from core.training.kernel import load
from tests.conftest import KERNELS, PROJECT, tiny

V5 = "kernels/v5_multitask/run.py"
#: Seconds. A hung rank must end a test, and a busy machine must not.
LIMIT = 120


@pytest.fixture
def torchrun():
    """Start `torchrun --nproc-per-node 2 …` in the project; whatever is left of it is killed in the end."""
    started = []

    def start(*words) -> subprocess.Popen:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*launch, *map(str, words)], cwd=PROJECT, **pipes, env={**os.environ})
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()
            process.wait()


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


def test_a_run_of_two_ranks_is_a_run(torchrun, data_dir, home):
    code, out, err = ended(torchrun(V5, *tiny(data_dir, "--name", "two")))
    assert code == 0, err
    assert out.count("wrote ") == 1
    assert out.count("joint 1/1") == 2  # a line for each fold, from rank 0 alone
    run = reader.load("v5_multitask/two")
    assert run.manifest["machine"]["ranks"] == 2
    assert not list(run.folder.rglob("*.lock")) + list(run.folder.rglob("*.tmp")) + list(run.folder.rglob("*.pt"))
    # each row once and in order: what one process finds with the weights of the two
    table = competition.load(data_dir)
    table = table.opened(store.open_store(table, Framing((360, 200), 0.15)))
    probs = load(PROJECT / V5).probs
    for fold, net in zip(
        folds.split(replace(table, fold_of_row=run.rows["fold"].to_numpy())), networks(run), strict=True
    ):
        np.testing.assert_allclose(run.oof[fold.held_out_index], loop.predict(net, probs, fold.held_out), atol=1e-5)
        held = reader.fold_test(run, fold.number)
        np.testing.assert_allclose(held, loop.predict(net, probs, table.test), atol=1e-5)


def test_a_dead_rank_ends_the_run_and_one_process_goes_on(torchrun, data_dir, home, train):
    epochs = ("--epochs", "3")
    process = torchrun(V5, *tiny(data_dir, "--name", "tiny", *epochs))
    folder = places.runs() / "v5_multitask/tiny"
    deadline = time.monotonic() + LIMIT
    while not (folder / "folds/0/checkpoint.pt").is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ranks_ = {each.environ().get("RANK"): each for each in psutil.Process(process.pid).children()}
    ranks_["1"].send_signal(signal.SIGKILL)
    code, _, _ = ended(process)
    assert code != 0
    assert not (folder / "run.json").exists()
    assert foldrun.read_log(folder / "folds/0")
    run = train(PROJECT / V5, *epochs)
    assert run.manifest["machine"]["ranks"] == 1
    for fold in range(2):
        assert [row["epoch"] for row in foldrun.read_log(run.folder / f"folds/{fold}")] == [0, 1, 2]


def test_every_kernel_takes_the_step_of_one_process(torchrun, data_dir):
    code, out, err = ended(torchrun("tests/training/in_ranks.py", data_dir))
    assert code == 0, err
    assert out.split() == [path.parent.name for path in KERNELS]


def test_what_is_wrong_is_said_in_one_line(torchrun, data_dir, home):
    code, _, err = ended(torchrun(V5, *tiny(data_dir, "--batch", "7")))
    assert code != 0
    assert err.count("--batch 7: cannot be shared by 2 ranks; give a multiple of them") == 1
    assert "Refusal" not in err
    assert not (home / "runs").exists()


def test_jobs_and_ranks_do_not_mix(monkeypatch, train, home):
    monkeypatch.setattr(ranks, "world", lambda: 2)
    with pytest.raises(Refusal, match="--jobs 2: all ranks train one fold together"):
        train(PROJECT / V5, "--jobs", "2")
    assert not (home / "runs").exists()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("who", ["copies", "all", "none"])
@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_an_epoch_are_the_epoch(data_dir, world, who, workers):
    table = competition.load(data_dir)
    table = table.opened(store.open_store(table, Framing((360, 200), 0.15)))
    rows = resample.repeat(table.train, "elderly")
    batches = loader.Loader(rows, 8, ("brightness_contrast", "flip", "shift_scale_rotate"), who, workers)
    key = (0, 1, 0, 2)
    parts = [batches.epoch(key, (rank, world)) for rank in range(world)]
    for whole, *shares in zip(batches.epoch(key), *parts, strict=True):
        assert all(len(images_) == 8 // world for images_, _ in shares)
        for at in range(2):
            assert torch.equal(torch.cat([share[at] for share in shares]), whole[at])


def test_rows_are_shared_whole_and_evenly(monkeypatch):
    for world in (1, 2, 3, 8):
        monkeypatch.setattr(ranks, "world", lambda world=world: world)
        for number in (0, 1, 5, 18900):
            parts = []
            for rank in range(world):
                monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
                parts.append(np.arange(number)[ranks.rows(number)])
            assert np.concatenate(parts).tolist() == list(range(number))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
