"""What each of two ranks does for test_ranks.py: torchrun tests/training/in_ranks.py DATA. Anything wrong is an error.

A step of every phase of every kernel, each rank with its share of the batch, moves the weights as one process with
the whole batch does; and rows come back from the ranks once and in order.
"""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from core.data import competition, resample
from core.images import store
from core.images.decode import Framing
from core.nets import losses, optim
from core.recipe import build
from core.training import ranks, step
from core.training.kernel import load

CPU = torch.device("cpu")
PROJECT = Path(__file__).resolve().parents[2]


def moved(path: Path, rows, alone: bool, loss: str, dtype: torch.dtype) -> torch.Tensor:
    """All weights after a step of each phase of the kernel's plan, in one long vector."""
    module = load(path)
    tiny = {"backbone": "test_efficientnet", "weights": "none", "batch": 8, "workers": 0}
    recipe = build(module.Recipe, {**tiny, "loss": loss})
    torch.manual_seed(0)
    net = module.Net(recipe).eval()  # batch statistics would be those of the share
    for phase in module.plan(net, rows, recipe):
        phase = replace(phase, optimizer=optim.optimizer("sgd", 0.1))
        optimizer = phase.optimizer(phase.parameters)
        learn = step.make(net, phase, optimizer, CPU, dtype)
        with mock.patch.object(ranks, "world", return_value=1) if alone else contextlib.nullcontext():
            learn(*next(phase.loader.epoch((0, 0, 0, 0), (0, 1) if alone else ranks.share())))
    return torch.cat([weight.detach().flatten() for weight in net.parameters()])


def rows_of(root: str):
    table = competition.load(Path(root))
    return resample.repeat(
        table.opened(store.open_store(table, Framing((360, 200), 0.15, whole=True))).train, "balance"
    )


def threads() -> int:
    """How many threads of gloo's carry out what ranks tell each other."""
    return sum("gloo_runloop" in path.read_text() for path in Path("/proc/self/task").glob("*/comm"))


if __name__ == "__main__":
    with ranks.process_group():
        assert ranks.world() == 2
        rows = rows_of(sys.argv[1])
        for path in sorted(PROJECT.glob("kernels/*/run.py")):
            for loss in losses.Name.__args__:
                ours, alone = (moved(path, rows, alone, loss, torch.float32) for alone in (False, True))
                torch.testing.assert_close(ours, alone)
            ours, alone = (moved(path, rows, alone, "weighted", torch.float16) for alone in (False, True))
            torch.testing.assert_close(ours, alone, rtol=1e-2, atol=1e-3)
            if ranks.is_first():
                print(path.parent.name)
        for number in (0, 1, 2, 7):
            whole = torch.arange(number * 3.0).reshape(number, 3)
            assert torch.equal(ranks.gather(whole[ranks.rows(number)], number), whole)
        assert ranks.mean(torch.tensor(float(ranks.rank()))).item() == 0.5
        mine = [torch.full((2,), ranks.rank() + 5)]
        ranks.broadcast(mine)
        assert mine[0].tolist() == [5, 5]
    # or one that still held a tensor could abort a process that is done
    assert not threads()
