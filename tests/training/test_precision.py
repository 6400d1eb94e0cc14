"""float16 with a scaled loss, on a CPU: what underflows is kept, what overflows is skipped, and nothing is lost."""

import math

import numpy as np
import pytest
import torch

from core.nets import backbones, optim
from core.refusal import Refusal
from core.runs import foldrun, names
from core.training import checkpoint, device, loop, progress, step
from core.training.checkpoint import Learner
from core.training.kernel import load
from core.training.progress import Progress
from tests.conftest import KERNELS
from tests.training.test_step import CPU, V5, batches, planned


def gradients(rows, dtype, share=1.0):
    """The gradient of a batch, whose loss is `share` of the kernel's, in one vector."""
    net, (phase,) = planned(V5, rows)
    loss = phase.loss
    object.__setattr__(phase, "loss", lambda outputs, label: share * loss(outputs, label))
    learn = step.Step(phase, torch.optim.SGD(net.parameters(), lr=0.0), CPU, dtype)
    learn(*batches(phase, 1)[0])
    return torch.cat([weight.grad.flatten() for weight in net.parameters()]) / share


def test_what_underflows_in_float16_is_learnt_all_the_same(rows, monkeypatch):
    true = gradients(rows, torch.float32)
    ours = gradients(rows, torch.float16, 1e-5)
    assert torch.cosine_similarity(ours, true, dim=0) > 0.99
    monkeypatch.setattr(step, "Scaler", lambda device, _: torch.amp.GradScaler(device.type, enabled=False))
    unscaled = gradients(rows, torch.float16, 1e-5)
    assert torch.cosine_similarity(unscaled, true, dim=0) < 0.9


@pytest.mark.parametrize("name", optim.Name.__args__)
def test_a_step_whose_gradients_overflow_is_skipped_and_training_goes_on(name, rows):
    net, (phase,) = planned(V5, rows, optimizer=name)
    forward, factor = phase.forward, [1e9]

    def steep(images):
        outputs = forward(images)
        for each in outputs:
            each.register_hook(lambda gradient: gradient * factor[0])
        return outputs

    object.__setattr__(phase, "forward", steep)
    learn = step.Step(phase, phase.optimizer(phase.parameters), CPU, torch.float16)
    first, second, third = batches(phase)
    before = [weight.detach().clone() for weight in net.parameters()]
    learn(*first)
    assert all(map(torch.equal, before, net.parameters()))
    assert learn.skipped() == 1
    assert learn.skipped() == 0
    assert learn.scaler.get_scale() == 32768
    factor[0] = 1.0
    for batch in (second, third):
        learn(*batch)
    assert learn.skipped() == 0
    assert 0 < learn.mean(3) < 10
    assert not any(map(torch.equal, before, net.parameters()))
    assert all(weight.isfinite().all() for weight in net.parameters())


@pytest.mark.parametrize("skipped", [(0,), (0, 3), (2,), ()])
@pytest.mark.parametrize("name", ["adamp", "sgd"])
def test_a_skipped_step_is_as_if_it_had_not_been(name, skipped):
    """With an optimizer that decides on the device, as on a GPU; the first step makes its state."""
    start = [torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.ones(3)]

    def moved(steps, scaler):
        weights = [torch.nn.Parameter(each.clone()) for each in start]
        made = optim.sgd(weights, 0.1, fused=True) if name == "sgd" else optim.optimizer(name, 0.1)(weights)
        for number in steps:
            loss = sum((weight**2).sum() * (1 + number) for weight in weights)
            scaler.scale(loss).backward()
            if number in skipped:
                weights[0].grad[0, 0] = torch.inf
            scaler.step(made)
            scaler.update()
            made.zero_grad()
        return torch.cat([weight.detach().flatten() for weight in weights])

    ours = moved(range(5), torch.amp.GradScaler("cpu"))
    plain = moved([number for number in range(5) if number not in skipped], torch.amp.GradScaler("cpu", enabled=False))
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


def test_a_step_of_adamp_is_few_launches_whatever_the_number_of_tensors():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Launches(TorchDispatchMode):
        number = 0

        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            Launches.number += "view" not in str(operation)
            return operation(*args, **(kwargs or {}))

    net = backbones.create("effb0", "none").to("meta")
    made = optim.AdamP(net.parameters())
    for weight in net.parameters():
        weight.grad = torch.empty_like(weight)
    made.step()
    with Launches():
        made.step()
    assert Launches.number < 450  # for 211 tensors; tensor by tensor they were 5,676


def fold_run(folder):
    folder.mkdir(exist_ok=True)
    return foldrun.FoldRun(folder, folder / "board", 0, 1, 0, 0, "cpu", "float16")


def fitted(rows, folder, epochs=3):
    net, (phase,) = planned(V5, rows, epochs=epochs, lr=1e-3)
    loop.fit(net, [phase], fold_run(folder))
    return net.state_dict()


def test_a_killed_run_in_float16_ends_with_the_bytes_of_one_that_never_was(rows, tmp_path, monkeypatch):
    rows = rows.take(np.arange(32))
    uncut = fitted(rows, tmp_path / "uncut")
    save = checkpoint.save

    def killed(*args):
        save(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fitted(rows, tmp_path / "cut")
    assert checkpoint.load(tmp_path / "cut")["learners"][0]["scaler"]["scale"] < 65536  # which it starts with
    monkeypatch.setattr(checkpoint, "save", save)
    resumed = fitted(rows, tmp_path / "cut")
    for name, tensor in uncut.items():
        assert torch.equal(tensor, resumed[name]), name
    skipped = [[row["skipped"] for row in foldrun.read_log(tmp_path / name)] for name in ("cut", "uncut")]
    assert skipped[0] == skipped[1]
    assert sum(skipped[0]) > 0


def test_many_skipped_steps_are_said(rows, tmp_path, capsys):
    _, (phase,) = planned(V5, rows, epochs=2)
    row = {**foldrun.NOT_WATCHED, "fold": 0, "phase": "joint", "lr": 1e-3, "loss": 1.0, "seconds": 1.0}
    with Progress([phase], fold_run(tmp_path / "fold"), []) as progress:
        for epoch, skipped in ((0, len(phase.loader)), (1, 1), (1, len(phase.loader) // 2)):
            progress.epoch(phase, {**row, "epoch": epoch, "images_per_second": 1.0, "skipped": skipped})
    said = capsys.readouterr()
    assert (said.out + said.err).count(
        "steps were skipped: gradients overflow in float16; try --precision float32"
    ) == 1


@pytest.mark.parametrize(("dtype", "advice"), [(torch.float32, ""), (torch.float16, " or --precision float32")])
def test_a_loss_that_is_no_number_names_the_precision(dtype, advice, rows):
    net, (phase,) = planned(V5, rows)
    object.__setattr__(phase, "loss", lambda outputs, label: sum(each.sum() for each in outputs) * math.inf)
    learn = step.make(net, phase, phase.optimizer(phase.parameters), CPU, dtype)
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(Refusal, match=rf"loss became (nan|-?inf) in phase joint, in {name}; try a lower --lr{advice}$"):
        loop._epoch(net, [Learner(learn, None)], [(0, 0, 0, 0)], loop.NoProgress())


def test_what_overflows_on_the_way_forward_ends_the_run(rows):
    """The step is skipped, but the batch statistics are spoilt: a net that predicts NaN must not be the answer."""
    net, (phase,) = planned(V5, rows)
    with torch.no_grad():
        next(net.features.trunk.parameters()).mul_(1e9)
    learn = step.make(net, phase, phase.optimizer(phase.parameters), CPU, torch.float16)
    with pytest.raises(Refusal, match="--precision float32"):
        loop._epoch(net, [Learner(learn, None)], [(0, 0, 0, 0)], loop.NoProgress())


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_heads_and_losses_are_in_float32(path, rows):
    _, plan = planned(path, rows)
    for phase in plan:
        images, labels = batches(phase, 1)[0]
        with device.autocast(CPU, torch.bfloat16):
            outputs = phase.forward(images)
            assert {each.dtype for each in torch.utils._pytree.tree_leaves(outputs)} == {torch.float32}
            assert phase.loss(outputs, labels).dtype == torch.float32


def test_the_precision_names_a_run_unless_it_is_auto():
    recipe = load(V5).Recipe
    assert "precision" not in names.run_name(recipe())
    assert names.run_name(recipe(precision="float16")) == "effb0-precisionfloat16"


@pytest.mark.parametrize(
    ("capability", "asked", "found"),
    [((7, 5), "auto", torch.float16), ((8, 0), "auto", torch.bfloat16), ((7, 5), "bfloat16", torch.bfloat16)],
)
def test_16_bit_are_those_that_the_gpu_computes_in(capability, asked, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert device.dtype(torch.device("cuda"), asked) == found
    assert device.dtype(CPU) == torch.float32


def test_after_ten_seconds_it_is_told_how_long_all_will_take(rows, tmp_path, monkeypatch, capsys):
    _, (phase,) = planned(V5, rows, epochs=2)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress([phase], fold_run(tmp_path / "fold"), []) as shown:
        for _ in range(8):
            now[0] += 4
            shown.images(8)
    said = capsys.readouterr()
    minutes = round(2 * phase.images / 2 / 60)  # 8 images in 4 seconds
    assert (said.out + said.err).count(f"about {minutes} min in all, as the first 24 images go (2 img/s)") == 1
