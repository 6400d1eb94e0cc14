"""Devices that are not there, or cannot be used, are refused; predicting and failing memory; what run.json keeps."""

import numpy as np
import pytest
import torch

from core.launch import preflight
from core.refusal import Refusal
from core.training import device, loop, ranks
from core.training.kernel import load
from tests.training.test_step import V5, planned


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs that only have names."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda each: {"1": "L4", "cuda:1": "L4"}.get(str(each), "T4"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda each: (7, 5))


def test_a_gpu_that_this_torch_cannot_use_is_refused_in_one_line(gpus, monkeypatch):
    def too_old(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch, "zeros", too_old)
    with pytest.raises(
        Refusal, match=r"--device cuda: torch .* cannot use T4 \(CUDA error: no kernel image .*\); give"
    ):
        device.find("auto")


def test_a_driver_that_this_torch_cannot_use_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device.Path, "is_file", lambda _: True)
    assert "has an NVIDIA driver, but torch" in device.unused_gpu()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.unused_gpu() == ""


def test_run_json_names_the_gpus_that_were_used(gpus):
    named = {jobs: device.machine("cuda", "auto", "", jobs)["device"] for jobs in (1, 2, 5)}
    assert named == {1: "T4", 2: "T4, L4", 5: "T4, L4"}
    assert device.machine("cuda:1", "auto", "", 2)["device"] == "L4"
    assert device.machine("cuda", "auto", "", 1)["precision"] == "float16"
    assert device.machine("cpu", "auto", "", 1)["precision"] == "float32"


def test_a_named_gpu_is_refused_under_torchrun(gpus, monkeypatch):
    monkeypatch.setattr(ranks, "world", lambda: 2)
    recipe = load(V5).Recipe(device="cuda:0")
    with pytest.raises(Refusal, match="--device cuda:0: under torchrun each rank has a GPU of its own"):
        preflight.check_machines(recipe)


def test_predicting_takes_smaller_batches_when_memory_runs_out(rows):
    net, _ = planned(V5, rows)
    probs, sizes = load(V5).probs, []

    def hungry(net, images):
        if len(images) > 20:
            raise torch.OutOfMemoryError
        sizes.append(len(images))
        return probs(net, images)

    some = rows.take(np.arange(50))
    np.testing.assert_allclose(loop.predict(net, hungry, some), loop.predict(net, probs, some), atol=1e-6)
    assert sizes == [16, 16, 16, 2]

    def full(net, images):
        raise torch.OutOfMemoryError

    with pytest.raises(Refusal, match="out of memory while predicting"):
        loop.predict(net, full, some)


@pytest.mark.parametrize("words", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"])
def test_memory_that_a_library_lacks_is_said_too(words):
    with pytest.raises(Refusal, match="out of memory at --batch 8"), device.memory(device.smaller(8)):
        raise RuntimeError(words)


def test_what_is_predicted_of_a_row_does_not_depend_on_its_neighbours(rows):
    """Batch statistics are not taken while predicting, whatever mode the net was left in."""
    net, _ = planned(V5, rows)
    probs = load(V5).probs
    together = loop.predict(net.train(), probs, rows.take(np.arange(12)))
    apart = [loop.predict(net.train(), probs, rows.take(np.array([at]))) for at in (0, 5, 11)]
    np.testing.assert_allclose(np.concatenate(apart), together[[0, 5, 11]], atol=1e-5)


def test_predictions_that_are_no_numbers_are_refused(rows):
    """A row of NaN out of fold would pass for one that no fold held out, and be left out of the score."""
    net, _ = planned(V5, rows)
    with pytest.raises(Refusal, match="no longer a number; try --precision float32"):
        loop.predict(net, lambda net, images: torch.full((len(images), 18), torch.nan), rows.take(np.arange(4)))
