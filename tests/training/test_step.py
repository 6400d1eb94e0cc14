"""The training step and the batches on their way to it: on a CPU to the byte, on a GPU where there is one."""

import contextlib
import copy

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.images.prefetch import prefetch
from core.nets import losses, optim
from core.recipe import build
from core.training import step
from core.training.device import dtype
from core.training.kernel import load
from tests.conftest import KERNELS, PROJECT

CPU, GPU = torch.device("cpu"), torch.device("cuda")
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, and this machine has none")
on_each_device = pytest.mark.parametrize("device", [CPU, pytest.param(GPU, marks=on_a_gpu)], ids=str)
V5 = PROJECT / "kernels/v5_multitask/run.py"


def planned(path, rows, **fields):
    """A net in training mode and its plan."""
    module = load(path)
    torch.manual_seed(0)
    recipe = build(
        module.Recipe,
        {"backbone": "test_efficientnet", "weights": "none", "batch": 8, "workers": 0, "augment": "none", **fields},
    )
    net = module.Net(recipe).train()
    return net, module.plan(net, rows, recipe)


def batches(phase, number=3):
    made = phase.loader.epoch((0, 0, 0, 0))
    return [next(made) for _ in range(number)]


def taught(net, phase, device, make=step.make):
    """The net's state and the mean loss after some batches."""
    net.to(device=device, memory_format=torch.channels_last)
    learn = make(net, phase, phase.optimizer(phase.parameters), device, dtype(device))
    given = batches(phase)
    for images_, labels in prefetch(given, device):
        learn(images_, labels)
    return {name: tensor.cpu() for name, tensor in net.state_dict().items()}, learn.mean(len(given))


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_on_a_cpu_a_step_is_the_loop_that_people_write_to_the_byte(path, rows):
    net, (phase, *_) = planned(path, rows)
    twin, (same, *_) = planned(path, rows)
    state, mean = taught(net, phase, CPU)

    twin.to(memory_format=torch.channels_last)
    optimizer = same.optimizer(same.parameters)
    total = torch.zeros(())
    for images_, labels in batches(same):
        optimizer.zero_grad()
        loss = same.loss(same.forward(images_), labels)
        loss.backward()
        optimizer.step()
        total += loss.detach()
    assert mean == (total / 3).item()
    for name, tensor in twin.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_the_mean_loss_starts_anew_with_each_epoch(rows):
    net, (phase,) = planned(V5, rows)
    still = torch.optim.SGD(net.parameters(), lr=0.0)
    learn = step.make(net, phase, still, CPU, torch.float32)
    means = []
    for _ in range(2):
        for images_, labels in batches(phase):
            learn(images_, labels)
        means.append(learn.mean(3))
    assert means[0] == means[1] > 0


@on_each_device
def test_batches_arrive_whole_and_in_order_and_the_last_may_be_smaller(device):
    sizes = [7] * 9 + [3]
    given = [(torch.randint(0, 256, (size, 5, 4, 3), dtype=torch.uint8).permute(0, 3, 1, 2),) for size in sizes]
    busy = torch.randn(2000, 2000, device=device) if device == GPU else torch.zeros(1)
    seen = []
    for (images_,) in prefetch(iter(given), device):
        assert images_.device.type == device.type
        assert images_.is_contiguous(memory_format=torch.channels_last)
        for _ in range(30 if device == GPU else 0):
            busy = (busy @ busy).tanh()
        seen.append(images_ + 0)
    assert len(seen) == len(given)
    for there, (here,) in zip(seen, given, strict=True):
        assert torch.equal(there.cpu(), here)


def test_no_batch_is_no_batch():
    assert list(prefetch([], CPU)) == []


@on_each_device
def test_a_warm_up_leaves_no_trace(device, rows):
    net, (phase,) = planned(V5, rows)
    net.to(device)
    before = copy.deepcopy(net.state_dict())
    random = torch.get_rng_state(), torch.cuda.get_rng_state() if device == GPU else torch.zeros(1)
    with step.unchanged(net, device):
        images_, labels = batches(phase, 1)[0]
        phase.loss(phase.forward(images_.to(device)), labels.to(device)).backward()
        torch.rand(3, device=device)
        assert any(not torch.equal(now, before[name]) for name, now in net.state_dict().items())
    for name, now in net.state_dict().items():
        assert torch.equal(now, before[name]), name
    assert all(weight.grad is None for weight in net.parameters())
    assert torch.equal(torch.get_rng_state(), random[0])
    assert device == CPU or torch.equal(torch.cuda.get_rng_state(), random[1])


class Crossings(TorchDispatchMode):
    """Notes each operation that moves a tensor between devices; a single number may travel with a launch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor) and leaf.ndim]
        if len({tensor.device.type for tensor in tensors}) > 1:
            self.seen.append(str(operation))
        return result


@pytest.mark.parametrize("loss", losses.Name.__args__)
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_after_its_first_batch_a_step_neither_copies_from_the_host_nor_reads_back(path, rows, loss, monkeypatch):
    """What a graph can't hold. The device "meta" has no values, so whatever wants to read one fails."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # which knows no such device
    net, plan = planned(path, rows, loss=loss, label_smoothing=0.1)
    net.to("meta")
    for phase in plan:
        images_, labels = (tensor.to("meta") for tensor in batches(phase, 1)[0])
        phase.loss(phase.forward(images_), labels).backward()
        with Crossings() as crossings:
            phase.loss(phase.forward(images_), labels).backward()
        assert crossings.seen == []


def test_the_crossings_would_be_seen():
    with Crossings() as crossings:
        torch.zeros(3).to("meta")
    assert len(crossings.seen) == 1


@pytest.mark.parametrize("name", ["adam", "sgd", "adamp"])
def test_what_a_gpu_saved_goes_on_on_a_cpu(name):
    """A fused optimizer's state counts its steps on the device; on a CPU the bytes are those of one never fused."""
    weights = [torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, -1.0]])) for _ in range(2)]
    made = [optim.optimizer(name, 0.1)([weight]) for weight in weights]
    for weight, each in zip(weights, made, strict=True):
        weight.grad = torch.ones_like(weight)
        each.step()
    state = copy.deepcopy(made[0].state_dict())
    if "fused" in state["param_groups"][0]:
        state["param_groups"][0]["fused"] = True
    again = optim.optimizer(name, 0.1)([weights[0]])
    optim.load_state(again, state)
    assert not again.param_groups[0].get("fused")
    again.step()
    made[1].step()
    assert torch.equal(*weights)


def plainly(net, *rest):
    return step.Step(*rest)


@on_a_gpu
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_a_replay_gives_the_gradients_of_its_own_batch(path, rows):
    """Within bfloat16's rounding; the second batch's overwrite the first one's. Batch statistics move as ever."""
    found = []
    for make in (step.make, plainly):
        net, (phase, *_) = planned(path, rows)
        object.__setattr__(phase, "optimizer", lambda weights: torch.optim.SGD(weights, lr=0.0))
        state, mean = taught(net, phase, GPU, make)
        gradient = torch.cat([weight.grad.flatten() for weight in phase.parameters])
        moved = {name: tensor for name, tensor in state.items() if "running" in name or "tracked" in name}
        found.append((gradient, moved, mean))
    (ours, moved, mean), (theirs, expected, plain) = found
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.99
    assert ours.norm() == pytest.approx(theirs.norm().item(), rel=0.05)
    assert mean == pytest.approx(plain, rel=0.01)
    for name, tensor in expected.items():
        torch.testing.assert_close(moved[name], tensor, rtol=0.05, atol=0.01, msg=name)


@on_a_gpu
@pytest.mark.parametrize("optimizer", optim.Name.__args__)
def test_the_phases_of_a_plan_are_captured_one_after_the_other(optimizer, rows):
    path = PROJECT / "kernels/v3_sequential/run.py"
    means = []
    for make in (step.make, plainly):
        net, plan = planned(path, rows, optimizer=optimizer, lr=1e-3)
        means.append([taught(net, phase, GPU, make)[1] for phase in plan])
    assert means[0] == pytest.approx(means[1], rel=0.03)


@on_a_gpu
def test_rates_move_a_captured_step(rows):
    net, (phase,) = planned(V5, rows)
    net.to(GPU)
    optimizer = phase.optimizer(phase.parameters)
    learn = step.make(net, phase, optimizer, GPU, dtype(GPU))
    assert type(learn) is not step.Step
    images_, labels = (tensor.to(GPU) for tensor in batches(phase, 1)[0])
    weight = next(net.parameters())
    for rate, moves in ((0.0, False), (0.1, True), (0.0, False)):
        optimizer.param_groups[0]["lr"] = rate
        before = weight.detach().clone()
        learn(images_, labels)
        assert torch.equal(before, weight) != moves


@on_a_gpu
def test_a_net_that_cannot_be_captured_is_trained_all_the_same(rows, capsys):
    net, (phase,) = planned(V5, rows)

    def forward(images_):
        outputs = net(images_)
        assert outputs[0].sum().item() < 1e9
        return outputs

    object.__setattr__(phase, "forward", forward)
    _, mean = taught(net, phase, GPU)
    assert 0 < mean < 10
    assert "without a CUDA graph" in capsys.readouterr().err


def test_the_benchmark_runs_at_a_small_size(monkeypatch, tmp_path, capsys):
    """It is meant for a machine that is rented by the hour."""
    from tests.benchmarks import gpu

    monkeypatch.setenv("CACHE", str(tmp_path))
    small = {"people": 7, "rows": 64, "scale": 0.15, "seconds": 0.05, "curve": 10, "workers": 1, "device": "cpu"}
    gpu.main(gpu.Options(backbones=("test_efficientnet",), batches=(4,), **small))
    said = capsys.readouterr().out
    trained, predicted = (line.split(" | ") for line in said.splitlines() if line.startswith("| test_efficientnet"))
    plain, autocast, eager, ours, ceiling = map(float, trained[2:7])
    assert min(plain, autocast, eager, ours, ceiling, float(predicted[2])) > 0
    assert float(trained[7]) == pytest.approx(ours / plain, abs=0.2)
    curves = [list(map(float, line.split()[3:])) for line in said.splitlines() if " seed " in line]
    assert [len(each) for each in curves] == [10] * 4
    assert curves[0] == pytest.approx(curves[2], abs=0.05)  # on a CPU ours is float32 too; the memory order differs


def test_the_benchmark_of_a_cpu_runs_at_a_small_size(monkeypatch, capsys):
    from tests.benchmarks import cpu_step

    def no_compiler(_):
        raise RuntimeError("no C++ compiler\nand more")

    monkeypatch.setattr(torch, "compile", no_compiler)
    for name in ("CACHE", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    small = {"backbone": "test_efficientnet", "batch": 4, "scales": (0.15,), "seconds": 0.05, "rounds": 1}
    cpu_step.main(cpu_step.Options(**small))
    *lines, compiled = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 54x30")]
    assert len(lines) == len(cpu_step.WAYS) - 1
    assert all(float(line.split(" | ")[2]) > 0 for line in lines)
    assert float(lines[0].split(" | ")[3].split()[0]) == 1
    assert "cannot run here: no C++ compiler |" in compiled
