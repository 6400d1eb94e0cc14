"""The day with a GPU, rehearsed on a CPU at a tiny size: each step in this process, so that no typo costs the day."""

import sys
import types

import pytest

from core import recipe
from core.training.kernel import load
from tests.benchmarks import gpu, gpu_day


@pytest.fixture
def started(monkeypatch):
    """The commands that the steps start, not started."""
    commands = []
    run = types.SimpleNamespace(run=lambda command, **_: commands.append(command))
    monkeypatch.setattr(gpu_day, "subprocess", run)
    return commands


@pytest.mark.parametrize("step", ["machine", "capture", "tests", "equal", "effb0", "precisions"])
def test_each_step_of_the_day_runs(step, started, data_dir, home, tmp_path, capsys):
    (tmp_path / "people").symlink_to(data_dir)
    options = gpu_day.Options(out=str(tmp_path), device="cpu", tiny=True, step=step)
    gpu_day.main(options)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    benched = step in ("effb0", "precisions")
    assert len(table) >= 2 or step == "tests" or benched
    for command in started if benched else ():
        assert isinstance(recipe.parse(gpu.Options, command[2:]), gpu.Options)


def test_the_flags_of_the_true_size_are_flags_too(started, data_dir, tmp_path):
    (tmp_path / "people").symlink_to(data_dir)
    options = gpu_day.Options(out=str(tmp_path))
    for step in ("effb0", "resnext50", "precisions"):
        gpu_day.DAY[step].run(options)
    seen = [command[2:] for command in started]
    run = recipe.parse(load(gpu_day.V5).Recipe, gpu_day.words(options, "real", *gpu_day.REAL)[1:])
    assert (run.name, run.backbone, run.scale, run.epochs) == ("real", "effb0", 1, 4)
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
