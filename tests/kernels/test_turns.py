"""Phases that take turns: their order, resuming within it, v3's readings of it, and the captured step."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.runs import foldrun
from core.training import checkpoint, loop, step
from core.training.checkpoint import Learner
from core.training.kernel import load
from core.training.phase import rounds
from tests.conftest import PROJECT
from tests.training.test_captured import cuda, differing, replaying
from tests.training.test_step import CPU, plainly, planned

__all__ = ["cuda"]

V3 = PROJECT / "kernels/v3_sequential/run.py"
READINGS = [
    {"turns": "epoch"},
    {"turns": "batch"},
    {"turns": "stage", "answers": "own"},
    {"turns": "stage", "answers": "last"},
]
each_reading = pytest.mark.parametrize("reading", READINGS, ids=lambda reading: "-".join(reading.values()))


def places(turns, rows):
    _, plan = planned(V3, rows, turns=turns, epochs=2)
    return [[(plan[number].name, epoch) for number, epoch in each] for each in rounds(plan)]


def test_turns_of_a_stage_an_epoch_and_a_batch(rows):
    tasks = ("mask", "gender", "age")
    assert places("stage", rows) == [[(task, epoch)] for task in tasks for epoch in (0, 1)]
    assert places("epoch", rows) == [[(task, epoch)] for epoch in (0, 1) for task in tasks]
    assert places("batch", rows) == [[(task, epoch) for task in tasks] for epoch in (0, 1)]


def fitted(rows, folder, reading, phases=3):
    """The net's state after so many of the phases."""
    net, plan = planned(V3, rows.take(np.arange(32)), epochs=2, lr=1e-3, **reading)
    folder.mkdir(exist_ok=True)
    loop.fit(net, plan[:phases], foldrun.FoldRun(folder, folder / "board", 0, 1, 0, 0, "cpu"))
    return net.state_dict()


@each_reading
def test_a_run_killed_after_every_round_ends_with_the_bytes_of_one_that_never_was(reading, rows, tmp_path, monkeypatch):
    uncut = fitted(rows, tmp_path / "uncut", reading)
    save = checkpoint.save

    def killed(*args):
        save(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    kills = 0
    while True:
        try:
            resumed = fitted(rows, tmp_path / "cut", reading)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills == (2 if reading["turns"] == "batch" else 6)
    assert differing(resumed, uncut) == []
    logs = [[(row["phase"], row["epoch"]) for row in foldrun.read_log(tmp_path / name)] for name in ("cut", "uncut")]
    assert logs[0] == logs[1]
    assert len(set(logs[0])) == 6


def test_of_own_stages_each_head_keeps_the_backbone_that_its_stage_left(rows, tmp_path):
    own = {"turns": "stage", "answers": "own"}
    one, two, three = (fitted(rows, tmp_path / f"{number}", own, number) for number in (1, 2, 3))
    first, second = ([name for name in three if name.startswith(part)] for part in ("features.", "later.gender."))
    assert len(first) == len(second) > 10
    assert all(torch.equal(one[name], three[name]) for name in first)
    assert all(torch.equal(two[name], three[name]) for name in second)
    shared = fitted(rows, tmp_path / "last", {"turns": "stage", "answers": "last"})
    assert not any(name.startswith("later.") for name in shared)
    # the stages are the same; only which backbone a head answers with is not
    assert all(torch.equal(shared[name], three[name.replace("features.", "later.age.")]) for name in first)


def test_the_net_answers_each_task_with_its_own_backbone(rows):
    net, _ = planned(V3, rows, turns="stage", answers="own")
    module = load(V3)
    net.eval()
    images = torch.randint(0, 256, (2, 3, 64, 40), dtype=torch.uint8)
    with torch.no_grad():
        for name, weight in net.later["gender"].named_parameters():
            weight.mul_(1.5 if name.endswith("weight") else 1)
        logits = [net(images, task) for task in ("mask", "gender", "age")]
        joint = module.probs(net, images).reshape(2, 3, 2, 3)
    for axis, each in zip(((2, 3), (1, 3), (1, 2)), logits, strict=True):
        torch.testing.assert_close(joint.sum(axis), each.softmax(1))


@pytest.mark.parametrize("turns", ["epoch", "batch"])
def test_phases_that_take_turns_are_captured_and_step_as_plain_ones(turns, rows, cuda):
    """The gradients of a capture are the phase's own: another one's replay in between leaves them alone."""

    def learnt(make):
        net, plan = planned(V3, rows, turns=turns, epochs=2, optimizer="sgd")
        steps = [make(net, phase, phase.optimizer(phase.parameters), CPU, torch.float32) for phase in plan]
        for each in rounds(plan):
            learners = [Learner(steps[at], None) for at, _ in each]
            loop._epoch(net, learners, [(0, 0, *place) for place in each], loop.NoProgress())
        return net.state_dict()

    ours = learnt(replaying(step, cuda))
    assert differing(ours, learnt(plainly)) == []


def test_the_weights_of_own_stages_are_part_of_the_run(rows, tmp_path):
    """What core.launch.predict builds again: the net of the recipe, and the weights of the fold."""
    own = {"turns": "stage", "answers": "own"}
    trained = fitted(rows, tmp_path / "fold", own)
    net, _ = planned(V3, rows, **own)
    net.load_state_dict(load_file(tmp_path / "fold/model.safetensors"))
    assert differing(net.state_dict(), trained) == []
