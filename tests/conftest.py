"""A small drawn competition, and the project's commands as a user types them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# one thread each, before torch is loaded: two test processes with two threads each would fight over two cores
os.environ["OMP_NUM_THREADS"] = "1"

from core import recipe
from core.data import age_filter, competition, resample
from core.data.table import Rows
from core.images import store
from core.images.decode import Framing
from core.launch import crossval
from core.people import make
from core.runs import reader
from core.training.kernel import load

PROJECT = Path(__file__).resolve().parents[1]
KERNELS = sorted(PROJECT.glob("kernels/*/run.py"))
#: Tiny, on a CPU, untrained and quick, and yet every step of a real run.
TINY = {
    "--device": "cpu",
    "--backbone": "test_efficientnet",
    "--weights": "none",
    "--scale": "0.15",
    "--folds": "2",
    "--epochs": "1",
    "--batch": "8",
    "--workers": "0",
}


def tiny(data: Path, *flags: str) -> list[str]:
    """The command line of a tiny run; `flags` (in pairs, or bare) win over what makes it tiny."""
    kept = [word for flag, value in TINY.items() if flag not in flags for word in (flag, value)]
    return ["--data", str(data), *kept, *flags]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """24 drawn people to train on and 6 to test on, a third of them elderly."""
    root = tmp_path_factory.mktemp("drawn") / "competition"
    make.draw_competition(make.Options(out=str(root), people=24, eval_people=6, elderly=0.3))
    return root


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Decoded stores and folds of the tests stay out of the project."""
    os.environ["CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def rows(data_dir, cache) -> Rows:
    """Training rows with copies, over a store of whole frames."""
    table = competition.load(data_dir)
    table = table.opened(store.open_store(table, Framing((360, 200), 0.15, whole=True)))
    return resample.repeat(age_filter.apply(table.train, old=58), "balance")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Empty folders for runs and submissions."""
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SUBMISSIONS", str(tmp_path / "submissions"))
    return tmp_path


@pytest.fixture
def train(data_dir, home) -> Callable[..., reader.Run]:
    """Train a kernel as its command line would, in this process, and load what it left."""

    def trained(kernel: Path = PROJECT / "kernels/v5_multitask/run.py", *flags: str, name: str = "tiny") -> reader.Run:
        kind = load(kernel).Recipe
        crossval.train(str(kernel), recipe.parse(kind, tiny(data_dir, "--name", name, *flags)))
        return reader.load(f"{kernel.parent.name}/{name}")

    return trained


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess]:
    """Run `python …` in the project folder."""

    def run(*words: str, **settings: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **settings}
        return subprocess.run(
            [sys.executable, *map(str, words)], cwd=PROJECT, env=environment, capture_output=True, text=True
        )

    return run
