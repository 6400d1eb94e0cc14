"""The captured step on a CPU, with streams and a graph in the place of CUDA's: to the byte the plain step."""

import contextlib
import types
from pathlib import Path

import pytest
import torch

from core.images.mix import mixed
from core.training import step
from tests.conftest import KERNELS
from tests.training.test_step import CPU, batches, plainly, planned

HALF = {"float32": torch.float32, "float16": torch.float16}
#: What a fault takes out of step.py, and what it leaves in its place.
FAULTS = {
    "the warm-up stays in the mean loss": ("        self.total.zero_()\n\n    def _warm_up", "\n    def _warm_up"),
    "the warm-up stays in the statistics": ("buffer.copy_(before)", "pass"),
    "the labels are those of the capture": ("            own.copy_(target)", "            pass"),
    "the loss is not scaled": ("self.scaler.scale(loss).backward()", "self.scaler.scale(loss), loss.backward()"),
}


class Stream:
    def wait_stream(self, other):
        pass


class Graph:
    """A replay does again what was captured, into the gradients of the capture."""

    def replay(self):
        present = [weight.grad for weight, _ in self.captured]
        for weight, _ in self.captured:
            weight.grad = None
        self.step._learn(self.step.images, *self.step.targets)
        for (weight, gradient), other in zip(self.captured, present, strict=True):
            if gradient is not None:
                gradient.copy_(weight.grad)
            weight.grad = other


@pytest.fixture
def cuda(monkeypatch):
    """torch.cuda as a captured step uses it. A capture computes nothing: it leaves gradients without values."""
    nets = []

    @contextlib.contextmanager
    def capture(graph, stream):
        kept = [(tensor, tensor.clone()) for tensor in nets[0].buffers()]
        state = torch.get_rng_state()
        yield
        torch.set_rng_state(state)
        for tensor, before in kept:
            tensor.copy_(before)
        graph.captured = [(weight, weight.grad) for weight in nets[0].parameters()]
        for _, gradient in graph.captured:
            if gradient is not None:
                gradient.fill_(torch.nan)

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)
    return nets


def faulty(old: str, new: str) -> types.ModuleType:
    """step.py with this fault."""
    source = Path(step.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1
    module = types.ModuleType("faulty")
    exec(compile(source.replace(old, new), "faulty", "exec"), module.__dict__)
    return module


def learnt(path, rows, dtype, make):
    """The weights and statistics after every phase of the plan, and each phase's mean loss."""
    net, plan = planned(path, rows, optimizer="sgd")  # whose moves know the size of a gradient
    net.to(memory_format=torch.channels_last)
    means = []
    for phase in plan:
        learn = make(net, phase, phase.optimizer(phase.parameters), CPU, dtype)
        for images, labels in batches(phase, 2):
            learn(images, labels)
        means.append(learn.mean(2))
    return {**net.state_dict(), "means": torch.tensor(means)}


def replaying(module, nets):
    def make(net, phase, optimizer, device, dtype):
        nets[:] = [net]
        learn = module._Captured(net, phase, optimizer, device, dtype)
        learn.graph.step = learn
        return learn

    return make


def differing(one, other):
    return [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_a_captured_step_is_the_plain_step_to_the_byte(path, dtype, rows, cuda):
    ours = learnt(path, rows, HALF[dtype], replaying(step, cuda))
    assert differing(ours, learnt(path, rows, HALF[dtype], plainly)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found(fault, rows, cuda):
    (path,) = (path for path in KERNELS if path.parent.name == "v5_multitask")
    plain = learnt(path, rows, torch.float16, plainly)
    assert differing(learnt(path, rows, torch.float16, replaying(faulty(*FAULTS[fault]), cuda)), plain)


def test_after_a_failed_capture_none_is_tried(rows, cuda, monkeypatch, capsys):
    """Before torch 2.12 a failed one spoils all later ones of the process. The reason is that of the first error."""
    monkeypatch.setattr(step._Captured, "possible", True)

    @contextlib.contextmanager
    def failing(graph, stream):
        try:
            yield
            raise RuntimeError("operation not permitted")
        except RuntimeError as error:
            raise RuntimeError("the capture failed because of an earlier error") from error

    monkeypatch.setattr(torch.cuda, "graph", failing)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: contextlib.nullcontext())
    net, (phase,) = planned(next(path for path in KERNELS if path.parent.name == "v5_multitask"), rows)
    cuda[:] = [net]
    gpu = types.SimpleNamespace(type="cuda")
    monkeypatch.setattr(step, "Scaler", lambda *_: torch.amp.GradScaler("cpu", enabled=False))
    monkeypatch.setattr(torch, "zeros", on_the_cpu(torch.zeros))
    monkeypatch.setattr(step, "autocast", lambda *_, **__: contextlib.nullcontext())
    optimizer = phase.optimizer(phase.parameters)
    for number in range(2):
        assert type(step.make(net, phase, optimizer, gpu, torch.float32)) is step.Step
        said = capsys.readouterr().err
        assert ("operation not permitted" in said) == (number == 0)


def on_the_cpu(make):
    return lambda *size, device=None, **rest: make(*size, **rest)


@pytest.mark.parametrize("dtype", HALF)
def test_mixed_photographs_are_captured_with_both_targets_and_the_share(dtype, rows, cuda):
    (path,) = (path for path in KERNELS if path.parent.name == "v5_multitask")

    def learnt_mixed(captured):
        net, (phase,) = planned(path, rows, optimizer="sgd")
        net.to(memory_format=torch.channels_last)
        cuda[:] = [net]
        words = (phase, phase.optimizer(phase.parameters), CPU, HALF[dtype])
        learn = step._Captured(net, *words, mixes=True) if captured else step.Step(*words)
        if captured:
            learn.graph.step = learn
        for number, (images, labels) in enumerate(batches(phase, 3)):
            learn(*mixed(images, labels, "cutmix_vertical", 1.0, (0, number)))
        return {**net.state_dict(), "mean": torch.tensor(learn.mean(3))}

    assert differing(learnt_mixed(True), learnt_mixed(False)) == []
