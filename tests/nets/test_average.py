"""Averaged weights, and a schedule that moves at every batch: closed forms, and runs that are killed."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core import places, recipe
from core.launch import preflight
from core.nets import optim
from core.nets.average import Average
from core.refusal import Refusal
from core.runs import reader
from core.training import checkpoint
from core.training.kernel import load
from tests.conftest import PROJECT

V5 = PROJECT / "kernels/v5_multitask/run.py"
#: All that is new in a step: mixed images, averaged weights, a rate for each batch.
ALL = ("--epochs", "2", "--mix", "cutmix_vertical", "--ema", "0.9", "--schedule", "one_cycle", "--lr", "1e-2")


def test_the_average_in_closed_form():
    net = torch.nn.Linear(1, 1, bias=False)
    average = Average(net, 0.7)
    expected = None
    for step, value in enumerate([1.0, 3.0, 2.0, 8.0, 5.0], 1):
        with torch.no_grad():
            net.weight.fill_(value)
        average.follow(net)
        decay = 0.0 if step < 2 else min(0.7, 1 - step ** (-2 / 3))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert average.net.weight.item() == pytest.approx(expected, rel=1e-5)
    resumed = Average(net, 0.7, average.state())
    for each in (average, resumed):
        each.follow(net)
    assert resumed.net.weight.item() == average.net.weight.item()


def test_one_cycle_in_closed_form():
    optimizer = optim.optimizer("sgd", 1.0)([torch.nn.Parameter(torch.zeros(1))])
    made, rates = optim.schedule("one_cycle", 2)(optimizer, 10), []
    for batch in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        optim.step_batch(made)
        if batch % 10 == 9:
            optim.step_schedule(made, 1.0)
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1.0)
    assert np.argmax(rates) == 4  # a quarter of all batches
    assert (np.diff(rates[:5]) > 0).all()
    assert (np.diff(rates[4:]) < 0).all()
    assert rates[-1] == pytest.approx(1 / 25 / 1e4)


def test_other_schedules_do_not_move_at_a_batch():
    for name in ("plateau", "cosine", "step", "none"):
        optimizer = optim.optimizer("sgd", 1.0)([torch.nn.Parameter(torch.zeros(1))])
        made = optim.schedule(name, 2)(optimizer, 10)
        optim.step_batch(made)
        assert optimizer.param_groups[0]["lr"] == 1.0


def test_a_killed_run_with_all_of_them_ends_with_the_same_bytes(train, monkeypatch):
    whole = train(V5, *ALL, name="whole")
    save = checkpoint.save

    def save_and_stop(*words):
        save(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(V5, *ALL, name="killed")
    monkeypatch.setattr(checkpoint, "save", save)
    killed = train(V5, *ALL, name="killed")
    np.testing.assert_array_equal(killed.oof, whole.oof)
    np.testing.assert_array_equal(killed.test, whole.test)


def test_each_of_them_changes_what_a_run_finds_and_the_written_weights_are_the_averaged_ones(train):
    plain = train(V5, name="plain")
    averaged = train(V5, "--ema", "0.9", name="averaged")
    mixed = train(V5, "--mix", "mixup", name="mixed")
    for other in (averaged, mixed):
        assert not np.array_equal(plain.oof, other.oof)
    weights = [load_file(places.runs() / run.name / "folds/0/model.safetensors") for run in (plain, averaged)]
    name = "heads.age.weight"
    assert not torch.equal(weights[0][name], weights[1][name])
    from core.launch import predict

    net = predict.networks(reader.load(averaged.name))[0]
    assert torch.equal(net.state_dict()[name], weights[1][name])


def test_what_would_not_be_averaged_is_refused(train, monkeypatch):
    for name, *words in (("v3_sequential", "--turns", "stage"), ("v4_separate",)):
        with pytest.raises(Refusal, match=r"--ema 0\.999: weights of stages that have ended would not be averaged"):
            train(PROJECT / f"kernels/{name}/run.py", *words, "--ema", "0.999")
    monkeypatch.setattr(preflight.ranks, "world", lambda: 2)
    kind = load(V5).Recipe
    for words, says in ((["--ema", "0.9"], "--ema 0.9: each rank"), (["--mix", "mixup"], "--mix mixup: images of one")):
        with pytest.raises(Refusal, match=says):
            preflight.check_machines(recipe.parse(kind, words))


def test_a_cycle_of_few_steps_is_refused():
    optimizer = optim.optimizer("sgd", 1.0)([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(Refusal, match="--schedule one_cycle: 4 steps have no rise and fall"):
        optim.schedule("one_cycle", 4)(optimizer, 1)
