"""The day with a GPU, rehearsed on a CPU at a tiny size: each step in this process, so that no typo costs the day."""

import subprocess
import sys
import types

import pytest

from core import recipe
from core.launch import crossval
from core.training import checkpoint
from core.training.kernel import load
from tests.benchmarks import gpu, gpu_day


@pytest.fixture
def started(monkeypatch):
    """The commands that the steps start; runs are trained in this process, with half the processes and one epoch."""
    commands = []

    def run(command, **_):
        commands.append(command)
        if "run.py" in "".join(map(str, command)):
            at = next(at for at, word in enumerate(command) if word.endswith("run.py"))
            flags = command[at + 1 :]
            crossval.train(command[at], recipe.parse(load(gpu_day.V5).Recipe, flags))
        return subprocess.CompletedProcess(command, 0)

    class Killed:
        def __init__(self, command, **_):
            save = checkpoint.save

            def once(*args):
                save(*args)
                raise KeyboardInterrupt

            monkeypatch.setattr(checkpoint, "save", once)
            with pytest.raises(KeyboardInterrupt):
                run(command)
            monkeypatch.setattr(checkpoint, "save", save)

        poll = wait = lambda self: 1

        def send_signal(self, number):
            pass

    monkeypatch.setattr(gpu_day, "subprocess", types.SimpleNamespace(run=run, Popen=Killed))
    return commands


@pytest.mark.parametrize("step", ["machine", "capture", "tests", "equal", "resumed", "effb0", "precisions"])
def test_each_step_of_the_day_runs(step, started, data_dir, home, tmp_path, capsys):
    (tmp_path / "people").symlink_to(data_dir)
    options = gpu_day.Options(out=str(tmp_path), device="cpu", tiny=True, step=step)
    gpu_day.main(options)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    benched = step in ("effb0", "precisions")
    assert len(table) >= 2 or step == "tests" or benched
    for command in started if benched else ():
        assert isinstance(recipe.parse(gpu.Options, command[2:]), gpu.Options)


def test_the_flags_of_the_true_size_are_flags_too(monkeypatch):
    seen = []
    run = types.SimpleNamespace(run=lambda command, **_: seen.append(command[2:]))
    monkeypatch.setattr(gpu_day, "subprocess", run)
    for step in ("effb0", "resnext50", "precisions"):
        gpu_day.main(gpu_day.Options(out="", step=step))
    assert [recipe.parse(gpu.Options, flags).backbones for flags in seen] == [
        ("effb0",),
        ("resnext50",),
        *[("effb0",)] * 3,
    ]


def test_a_step_that_fails_or_hangs_is_noted_and_the_next_one_starts(monkeypatch, tmp_path, capsys):
    """As `day` starts them: what a step printed is on disk before the next one starts."""
    print_a_row, hang = "print('| a | b |')", "import time; time.sleep(60)"
    with open(tmp_path / "out.txt", "w") as file:
        assert gpu_day.limited([sys.executable, "-c", print_a_row], file, 60) == 0
        assert gpu_day.limited([sys.executable, "-c", "raise SystemExit(3)"], file, 60) == 3
        assert gpu_day.limited([sys.executable, "-c", hang], file, 0.5) == 124
    results = iter([0, 3, 124])

    def limited(command, file, seconds):
        print("| a | b |", file=file)
        return next(results)

    monkeypatch.setattr(gpu_day, "limited", limited)
    with pytest.raises(SystemExit, match="failed: capture, tests"):
        gpu_day.main(gpu_day.Options(out=str(tmp_path), tiny=True, only=("machine", "capture", "tests")))
    said = capsys.readouterr().out
    assert "machine: done" in said
    assert "capture: FAILED (3)" in said
    assert "tests: OUT OF TIME" in said
    assert "machine:\n\n| a | b |" in (tmp_path / "day.md").read_text()
