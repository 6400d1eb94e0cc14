from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import flags, recipe
from core.refusal import Refusal


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Shared):
    backbone: str = "effb0"  # what sees
    crop: tuple[flags.Count, flags.Count] = (360, 200)  # height,width
    lr: flags.Positive = 3e-5  # how fast
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    augmentations: tuple[Literal["flip", "clahe"], ...] = ("flip", "clahe")
    age_drop: tuple[flags.Age, ...] = ()
    resample: str = "none"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--lr 1e-4", "lr", 1e-4),
        ("--lr=2", "lr", 2.0),
        ("--crop 320,180", "crop", (320, 180)),
        ("--crop (320,180)", "crop", (320, 180)),
        ("--age-drop 57,59", "age_drop", (57, 59)),
        ("--age_drop 57", "age_drop", (57,)),
        ("--age-drop none", "age_drop", ()),
        ("--augmentations clahe", "augmentations", ("clahe",)),
        ("--augmentations none", "augmentations", ()),
        ("--name 1e5", "name", "1e5"),
        ("--data 007", "data", "007"),
        ("--weights None", "weights", "None"),
        ("--force", "force", True),
        ("--force True", "force", True),
        ("--force False", "force", False),
        ("--force --seed 3", "seed", 3),
        ("--loss focal", "loss", "focal"),
    ],
)
def test_values_arrive_as_their_annotation_says(line, field, value):
    found = getattr(recipe.parse(Recipe, line.split()), field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--backbon effb0", "did you mean --backbone"),
        ("--epochs 3", "no flag --epochs"),
        ("--lr", "--lr needs a value"),
        ("--lr abc", "--lr abc: must be a number"),
        ("--lr nan", "--lr nan"),
        ("--lr inf", "--lr inf"),
        ("--lr 1e999", "--lr 1e999"),
        ("--lr 0", "must be above 0"),
        ("--lr -1", "must be above 0"),
        ("--lr True", "--lr"),
        ("--folds 0", "must be 1 or more"),
        ("--folds 2.5", "must be a whole number"),
        ("--val-ratio 1", "must be between 0 and 1"),
        ("--force false", "--force false"),
        ("--force 1", "--force 1"),
        ("--loss cros_entropy", "must be one of cross_entropy, focal"),
        ("--loss", "--loss"),
        ("--crop 3", "needs 2 values"),
        ("--crop 3,a", "--crop a"),
        ("--crop 3,0", "--crop 0"),
        ("--age-drop 57,x", "--age-drop x"),
        ("--augmentations flip,blur", "--augmentations blur"),
        ("--augmentations", "--augmentations needs values"),
        ("--name", "--name needs a value"),
        ("--lr 1 --lr 2", "given twice"),
        ("--backbone effb0 lr", "'lr' is not a flag"),
        ("effb0", "'effb0' is not a flag"),
        ("-b effb0", "'-b' is not a flag"),
        ("-- --trace", "'--' is not a flag"),
    ],
)
def test_whatever_is_wrong_is_one_line_that_names_the_flag(line, says):
    with pytest.raises(Refusal) as refused:
        recipe.parse(Recipe, line.split())
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=4))
def test_no_command_line_ends_in_a_traceback(words):
    try:
        recipe.parse(Recipe, words)
    except (Refusal, SystemExit):
        pass


def test_help_shows_defaults_and_comments(capsys):
    with pytest.raises(SystemExit) as left:
        recipe.parse(Recipe, ["--help"])
    shown = capsys.readouterr().out
    assert left.value.code == 0
    assert "what sees" in shown
    assert "360,200" in shown
    assert "of everything random except the folds" in shown
