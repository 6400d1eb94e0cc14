"""A kernel that breaks the contract: one line that says what is missing and where, before anything trains."""

import pytest

from core.refusal import Refusal
from core.training.kernel import load
from tests.conftest import PROJECT, tiny

V5 = (PROJECT / "kernels/v5_multitask/run.py").read_text()


def edited(old, new):
    assert old in V5
    return V5.replace(old, new)


BROKEN = {
    "without probs": (
        edited("def probs(", "def probabilities("),
        "has no probs(net, images); a kernel defines Recipe,",
    ),
    "a plan of other arguments": (
        edited("def plan(net: Net, rows: Rows, recipe: Recipe)", "def plan(net: Net, recipe: Recipe)"),
        "its plan takes (net, recipe) where core gives (net, rows, recipe)",
    ),
    "a net of other arguments": (
        edited("def __init__(self, recipe: Recipe):", "def __init__(self, backbone: str, weights: str):"),
        "its Net takes (backbone, weights) where core gives (recipe)",
    ),
    "a field that Shared has": (
        edited("    lr: flags.Positive", "    seed: flags.Count = 3\n    lr: flags.Positive"),
        "its Recipe has seed, which recipe.Shared has already; give the field another name",
    ),
    "without a field that core reads": (
        edited("    scale: flags.Scale = 1.0", "    size: flags.Scale = 1.0"),
        "its Recipe has no scale, which core reads; see KernelRecipe in core/training/kernel.py",
    ),
    "a recipe of its own": (
        edited("class Recipe(recipe.Shared):", "class Recipe:"),
        "its Recipe is no dataclass over recipe.Shared",
    ),
    "another core": (
        edited("from core.nets import backbones", "from core.networks import backbones"),
        "does not load with this core (No module named 'core.networks')",
    ),
}


@pytest.fixture
def v6(tmp_path):
    """Writes a kernel v6 of this text; returns its path."""

    def write(text):
        path = tmp_path / "v6/run.py"
        path.parent.mkdir()
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_contract_is_one_line_that_names_the_file(v6, text, says):
    path = v6(text)
    with pytest.raises(Refusal) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: {says}")
    assert "\n" not in str(refused.value)


def test_it_is_said_before_anything_trains(v6, command, home, data_dir):
    path = v6(
        BROKEN["without probs"][0].replace("(probs, fold", "(probabilities, fold").replace("net, probs,", "net, p,")
    )
    done = command(path, *tiny(data_dir))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"python {path}: {path}: has no probs(net, images)")
    assert not (home / "runs").exists()
