"""Jobs side by side: which GPU each has, that one refusal ends the others, and what a shared GPU's memory says."""

import threading
import time

import pytest
import torch

from core.launch import crossval, jobs
from core.launch.jobs import Job, JobResult
from core.refusal import Refusal
from tests.conftest import PROJECT


def job(device="cuda"):
    return Job("", "", {}, "", {"device": device}, 1, {})


def devices(monkeypatch, todo, number, gpus):
    """The device of each job, and the most jobs that were at work at once on one device."""
    given, at_work, most, lock = {}, [], [0], threading.Lock()

    def run_job(at, each, wanted=None):
        device = each.recipe["device"]
        with lock:
            given[at] = device
            at_work.append(device)
            most[0] = max(most[0], at_work.count(device))
        time.sleep(0.02 * (1 + at % 3))
        with lock:
            at_work.remove(device)
        return JobResult(at, 0, "", "", "here")

    monkeypatch.setattr(jobs, "run_job", run_job)
    assert sorted(each.number for each in jobs.side_by_side(todo, number, gpus)) == list(range(len(todo)))
    return [given[at] for at in range(len(todo))], most[0]


def test_each_of_two_jobs_has_a_gpu_of_its_own(monkeypatch):
    given, most = devices(monkeypatch, [job("auto"), *[job()] * 6], 2, 2)
    assert given[:2] == ["cuda:0", "cuda:1"]
    assert set(given) == {"cuda:0", "cuda:1"}
    assert most == 1


def test_more_jobs_than_gpus_share_them_evenly(monkeypatch):
    given, most = devices(monkeypatch, [job()] * 8, 4, 2)
    assert sorted(given[:4]) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
    assert most == 2


@pytest.mark.parametrize(("device", "gpus"), [("cuda:1", 2), ("cpu", 2), ("cuda", 1), ("auto", 0)])
def test_a_named_device_is_kept_and_without_a_choice_nothing_changes(device, gpus, monkeypatch):
    assert devices(monkeypatch, [job(device)] * 3, 2, gpus)[0] == [device] * 3


def test_who_takes_no_more_results_ends_what_is_left(monkeypatch):
    ended = []

    def run_job(at, each, wanted):
        end = time.monotonic() + 20
        while at and wanted() and time.monotonic() < end:
            time.sleep(0.01)
        ended.append((at, wanted()))
        return JobResult(at, 2 if not at else 0, "", "refused here\n", "here")

    monkeypatch.setattr(jobs, "run_job", run_job)
    with pytest.raises(Refusal, match="refused here") as refused:  # whose traceback holds all that it passed
        jobs.wait_for(jobs.side_by_side([job("cpu")] * 4, 2, 0))
    assert refused.value.__traceback__
    assert ended[0] == (0, True)
    assert {at for at, _ in ended} <= {0, 1, 2}  # the last was never begun
    assert not any(wanted for _, wanted in ended[1:])


def test_memory_that_runs_out_on_a_shared_gpu_says_so(monkeypatch, train):
    def full(results):
        raise Refusal("out of memory at --batch 8; try --batch 4, or a smaller --scale")

    monkeypatch.setattr(jobs, "wait_for", full)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(crossval.device, "gpus", lambda device: 1)
    with pytest.raises(Refusal, match=r"scale$"):
        train(PROJECT / "kernels/v5_multitask/run.py", "--jobs", "2")
    monkeypatch.setattr(crossval.fold, "resolve", lambda recipe: recipe)
    monkeypatch.setattr(crossval.device, "machine", lambda *_: {"device": "T4", "precision": "float16"})
    with pytest.raises(Refusal, match="or a smaller --jobs, whose folds share a GPU"):
        train(PROJECT / "kernels/v5_multitask/run.py", "--jobs", "2", "--device", "cuda", name="shared")
