"""Every kernel, also the next one, keeps the same promises."""

import ast
import collections
import dataclasses
import itertools

import numpy as np
import pytest

from core import labels, recipe
from core.data import age_filter, competition, resample
from core.flags import each
from core.images import augment, store
from core.images.decode import Framing
from core.training.kernel import load
from tests.conftest import KERNELS, tiny

EVERYWHERE = {
    "backbone",
    "crop",
    "scale",
    "epochs",
    "batch",
    "augmentations",
    "augment",
    "age_young",
    "age_old",
    "age_drop",
    "resample",
}
ORDER = ["Recipe", "Net", "plan", "probs", "fit_fold"]

each_kernel = pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)


def test_there_are_kernels():
    assert [path.parent.name for path in KERNELS][-1:] == ["v6_years"]


@each_kernel
def test_it_reads_top_to_bottom(path):
    tree = ast.parse(path.read_text())
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert [name for name in names if name in ORDER] == ORDER
    assert f"python kernels/{path.parent.name}/run.py" in ast.get_docstring(tree)
    assert (
        path.read_text()
        .rstrip()
        .endswith('if __name__ == "__main__":\n    crossval.train(__file__, recipe.parse(Recipe))')
    )
    assert 80 <= len(path.read_text().splitlines()) <= 140
    assert (path.parent / "README.md").is_file()


@each_kernel
def test_it_leans_on_the_core_alone(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        assert all(
            name.split(".")[0] in ("core", "torch", "copy", "dataclasses", "functools", "typing", "numpy")
            for name in names
        )


@each_kernel
def test_its_recipe_says_all_and_says_why(path):
    kind = load(path).Recipe
    fields = {field.name for field in dataclasses.fields(kind)}
    assert issubclass(kind, recipe.Shared)
    assert kind.__dataclass_params__.frozen
    assert fields >= EVERYWHERE
    own = fields - {field.name for field in dataclasses.fields(recipe.Shared)}
    node = next(
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef) and node.name == "Recipe"
    )
    lines = path.read_text().splitlines()
    named = [field for field in node.body if isinstance(field, ast.AnnAssign)]
    for field in named:
        assert "  # " in lines[field.end_lineno - 1], f"{ast.unparse(field)} says why"
    assert own == {field.target.id for field in named}


def restated(path):
    """The lines of a Recipe that are as in every version, by field."""
    lines = path.read_text().split("    # as in every version\n")[1].split("\n\n")[0].splitlines()
    return {line.split(":")[0].strip(): line for line in lines}


def test_what_is_as_in_every_version_has_the_same_words_in_the_same_order():
    longest = max(map(restated, KERNELS), key=len)
    for path in KERNELS:
        own = restated(path)
        assert own == {name: longest[name] for name in longest if name in own}
        assert list(own) == [name for name in longest if name in own]
    assert set(longest) >= {"crop", "scale", "batch", "gamma", "age_young", "age_drop"}


@each_kernel
def test_it_trains_and_leaves_a_run(path, train):
    run = train(path)
    assert run.oof.shape == (168, 18)
    np.testing.assert_allclose(run.oof.sum(1), 1, atol=1e-3)
    assert len(run.test) == 42


@pytest.fixture
def opened(data_dir):
    table = competition.load(data_dir)
    return table.opened(store.open_store(table, Framing((360, 200), 0.15)))


@each_kernel
def test_training_sees_fit_rows_only_and_held_rows_as_they_are(path, data_dir, opened, monkeypatch):
    """What the loader is given comes from the fit rows; what is predicted keeps its true labels, and is there once."""
    from core.data import folds
    from core.training import loop

    flags = tiny(data_dir, "--age-old", "50", "--resample", "elderly")
    asked = recipe.parse(load(path).Recipe, flags)
    trained, predicted = [], []
    monkeypatch.setattr(
        loop, "fit", lambda net, plan, run, watch, *_: trained.extend(phase.loader.rows for phase in plan)
    )
    monkeypatch.setattr(loop, "predict", lambda net, probs, rows, tta, precision: predicted.append(rows))
    fold = folds.split(dataclasses.replace(opened, fold_of_row=folds.assign(opened.train, 2, 0.2)))[0]
    load(path).fit_fold(asked, opened, fold, None)
    held = set(fold.held_out.column("person"))
    assert trained
    # repeated by the group that the age filter calls them, not by the one that they are in
    expected = resample.repeat(age_filter.apply(fold.fit, 30, 50), "elderly")
    for rows in trained:
        assert not held & set(rows.column("person"))
        np.testing.assert_array_equal(rows.column("label"), expected.column("label"))
        np.testing.assert_array_equal(rows.column("copy"), expected.column("copy"))
    assert len(expected) != len(age_filter.apply(resample.repeat(fold.fit, "elderly"), 30, 50))
    assert predicted == [fold.held_out, opened.test]
    true = labels.age_group(fold.held_out.column("age"))
    np.testing.assert_array_equal(fold.held_out.column("label") % 3, true)


#: What the report says of each version, as defaults: (field, value by version).
REPORT = {
    "backbone": ("effb0",) * 5,
    "crop": ((360, 200),) * 5,
    "epochs": (12,) * 5,
    "batch": (16,) * 5,
    "loss": ("cross_entropy",) * 5,
    "optimizer": ("adam",) * 5,
    "lr": (1e-4, 1e-4, 1e-4, 1e-4, 3e-5),
    "schedule": ("none", "none", "none", "plateau", "plateau"),
    "augmentations": (("random_crop",), *[("center_crop", "rotate")] * 2, *[augment.FINAL_RECIPE] * 2),
    "augment": ("all", "all", "all", "copies", "copies"),
    "resample": ("none", "none", "none", "elderly", "elderly"),
    "age_young": (30,) * 5,
    "age_old": (60, 60, 60, 58, 58),
}


@pytest.mark.parametrize("field", REPORT)
def test_the_defaults_are_the_reports(field):
    for path, expected in zip(KERNELS[:5], REPORT[field], strict=True):
        assert set(each(getattr(load(path).Recipe(), field))) == set(each(expected)), path


def own_lines(path):
    """What a kernel does not share by agreement: everything but docstring, imports, Recipe and the frame."""
    text = path.read_text()
    spoken = set()
    for node in ast.parse(text).body:
        named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign)
        if named and getattr(node, "name", "") not in ("Recipe", "fit_fold"):
            spoken.update(range(node.lineno - 1, node.end_lineno))
    lines = [line.strip() for number, line in enumerate(text.splitlines()) if number in spoken]
    return [line for line in lines if len(line) > 3]


@pytest.mark.parametrize(
    "pair", list(itertools.combinations(KERNELS, 2)), ids=lambda pair: " ".join(each.parent.name for each in pair)
)
def test_two_kernels_share_at_most_a_third_of_their_lines(pair):
    one, other = (collections.Counter(own_lines(path)) for path in pair)
    shared = 2 * (one & other).total() / (one.total() + other.total())
    assert shared <= 0.35, f"{shared:.0%}: {list(one & other)}"
