"""A recipe has one name, however it was typed, and the name tells the command."""

import pytest

from core import recipe
from core.runs import names
from core.training.kernel import load
from tests.conftest import PROJECT
from tests.test_recipe import Recipe

V4 = PROJECT / "kernels/v4_separate/run.py"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("", "effb0"),
        ("--backbone lite0", "lite0"),
        ("--lr 1e-4 --seed 1", "effb0-seed1-lr0.0001"),
        ("--data elsewhere --device cpu --workers 5 --jobs 2 --cluster tcp://host:1 --hours 2 --force", "effb0"),
        ("--crop 320,180", "effb0-crop320+180"),
        ("--augmentations none", "effb0-augmentationsnone"),
        ("--smoke", "effb0-smoke"),
        ("--name tonight --lr 1", "tonight"),
    ],
)
def test_a_run_is_named_by_what_differs(line, name):
    assert names.run_name(recipe.parse(Recipe, line.split())) == name


def test_a_long_or_unsafe_value_becomes_a_short_hash():
    name = names.run_name(recipe.parse(Recipe, ["--weights", "/some/where/far/away/weights.pth"]))
    assert len(name) < 30
    assert "/" not in name
    assert name != names.run_name(recipe.parse(Recipe, ["--weights", "/some/where/else/weights.pth"]))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--backbone resnext50",
        "--lr 1e-5 --age-old 60",
        "--crop 320,180 --seed 3",
        "--augment all --augmentations flip",
    ],
)
def test_a_name_tells_the_command_that_would_make_it(line):
    kernel = load(PROJECT / "kernels/v5_multitask/run.py")
    asked = recipe.parse(kernel.Recipe, line.split())
    told = names.command(f"v5_multitask/{names.run_name(asked)}")
    script, *flags = told.split()[1:]
    assert script == "kernels/v5_multitask/run.py"
    assert recipe.parse(kernel.Recipe, flags) == asked


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("", "effb0"),
        ("--lr 1e-4", "effb0"),
        ("--lr mask=0.0001,gender=1e-04,age=1e-4", "effb0"),
        ("--lr 1e-3", "effb0-lr0.001"),
        ("--lr age=1e-3,mask=1e-3,gender=1e-3", "effb0-lr0.001"),
        ("--lr age=1e-3", "effb0-age.lr1e-3"),
        ("--loss age=focal,mask=weighted", "effb0-mask.lossweighted-age.lossfocal"),
        ("--augmentations age=flip+clahe", "effb0-age.augmentationsflip+clahe"),
        ("--augmentations flip,clahe", "effb0-augmentationsflip+clahe"),
        ("--backbone lite0", "lite0"),
        ("--backbone age=resnext50", "effb0-age.backboneresnext50"),
        ("--backbone mask=lite0,gender=effb0", "lite0-gender.backboneeffb0-age.backboneeffb0"),
        ("--tasks age --reuse v4_separate/effb0 --lr age=1e-3", "effb0-age.lr1e-3-tasksage-reusev4_separate~effb0"),
    ],
)
def test_values_by_task_are_named_by_task(line, name):
    kernel = load(V4)
    requested = recipe.parse(kernel.Recipe, line.split())
    assert names.run_name(requested) == name
    assert recipe.build(kernel.Recipe, recipe.values(requested)) == requested
    told = names.command(f"v4_separate/{name}").split()
    assert recipe.parse(kernel.Recipe, told[2:]) == requested


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("--gamma 5", ""),
        ("--gamma 5 --loss weighted", "--loss weighted"),
        ("--gamma mask=5,age=3 --loss age=focal", "--gamma age=3 --loss age=focal"),
        ("--val-ratio 0.1", ""),
        ("--lr-decay-step 3 --schedule none", "--schedule none"),
        ("--lr-decay-step 3 --schedule age=cosine", "--lr-decay-step 3 --schedule age=cosine"),
        ("--loss FocalLoss --schedule ReduceLROnPlateau", "--loss focal"),
        ("--backbone ResNeXt50 --optimizer AdamP", "--backbone resnext50 --optimizer adamp"),
        ("--augmentations RandomFog,HorizontalFlip,CLAHE", "--augmentations fog,flip,clahe"),
    ],
)
def test_what_plays_no_part_and_how_it_is_spelled_do_not_name(line, other):
    one, two = (recipe.parse(load(V4).Recipe, each.split()) for each in (line, other))
    assert one == two
    assert names.run_name(one) == names.run_name(two)


def test_a_reused_run_whose_name_reads_as_flags_is_hashed():
    requested = recipe.parse(load(V4).Recipe, "--tasks age --reuse v4_separate/effb0-lr0.001".split())
    name = names.run_name(requested)
    assert name.startswith("effb0-tasksage-reuse")
    assert names.command(f"v4_separate/{name}").split()[2:] == ["--name", name]
