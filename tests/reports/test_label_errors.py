"""Which fixes are proposed, on fabricated predictions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import labels
from core.data import fixes
from core.reports import audit, label_errors
from core.reports.label_errors import Fix
from tests.fabricated import predictions, rows


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_wrong_label_is_fixed_and_then_no_fix_is_proposed(tmp_path_factory, seed):
    labelled, other = rows(12, seed), rows(12, seed + 1)
    crossed = np.random.default_rng(seed).random(12)[np.arange(len(labelled)) // 7] < 0.5
    mask = np.where(crossed & (labelled["mask"] > 0), 3 - labelled["mask"], labelled["mask"])
    true = labels.label(mask, other["gender"], labels.age_group(other["age"])).to_numpy()
    probs = predictions(true, 0.95).astype(float)
    file = tmp_path_factory.mktemp("fixes") / "fixes.csv"
    audit._write_fixes(file, label_errors.propose(labelled, probs, 0.9))
    fixed, _ = fixes.apply(labelled, str(file))
    fixed["label"] = labels.label(fixed["mask"], fixed["gender"], labels.age_group(fixed["age"]))
    np.testing.assert_array_equal(fixed["label"], true)
    assert label_errors.propose(fixed, probs, 0.9) == []


def one_person(age: int, mask: tuple[int, ...] = (0, 0), gender: int = 0) -> pd.DataFrame:
    frame = pd.DataFrame({"person": "p", "age": age, "mask": mask, "gender": gender})
    return frame.assign(label=labels.label(frame["mask"], frame["gender"], labels.age_group(frame["age"])))


def predicted_ages(group: int) -> np.ndarray:
    """(2, 18) probabilities of two images of a man with a mask, of this age group."""
    return predictions(labels.label(np.zeros(2, int), 0, group), 0.95).astype(float)


def predicted_masks(*mask: int) -> np.ndarray:
    """(n, 18) probabilities of images of a young man, with these mask classes."""
    return predictions(labels.label(np.array(mask), 0, 0), 0.95).astype(float)


def proposed(frame, probs, threshold=0.9, **boundaries):
    return [fix[:3] for fix in label_errors.propose(frame, probs, threshold, **boundaries)]


@pytest.mark.parametrize(
    ("age", "group", "becomes"),
    [(25, 1, "30"), (25, 2, "60"), (45, 0, "29"), (45, 2, "60"), (66, 1, "59"), (60, 0, "29")],
)
def test_an_age_becomes_the_nearest_of_the_predicted_group(age, group, becomes):
    assert proposed(one_person(age), predicted_ages(group)) == [("p", "age", becomes)]


def test_a_prediction_that_follows_the_trained_boundaries_is_no_label_error():
    old, young = predicted_ages(2), predicted_ages(0)
    person = one_person(58)
    assert proposed(person, old) == [("p", "age", "60")]
    assert proposed(person, old, old=58) == []
    assert label_errors.with_error_probabilities(person, old, old=58)["label_error"].max() < 0.05
    assert label_errors.with_error_probabilities(person, old)["age_error"].min() > 0.9
    assert proposed(person, young, old=58) == [("p", "age", "29")]
    assert proposed(one_person(57), old, old=58) == [("p", "age", "60")]


def test_the_mean_over_the_images_must_be_above_the_threshold():
    person = one_person(20, mask=(0, 0, 0))
    woman = labels.label(np.zeros(3, int), 1, 0)
    probs = predictions(woman, 0.99).astype(float)
    probs[0] = predictions(woman, 0.6)[0]
    mean = labels.marginals(probs)[1][:, 1].mean()
    assert proposed(person, probs, threshold=mean - 1e-6) == [("p", "gender", "female")]
    assert proposed(person, probs, threshold=mean + 1e-6) == []


def test_only_images_that_are_each_predicted_to_be_the_other_are_swapped():
    both = one_person(20, mask=(0, 1, 2))
    assert proposed(both, predicted_masks(0, 2, 1)) == [("p", "mask", "swap")]
    for masks in ((0, 2, 2), (0, 1, 1), (1, 2, 0), (0, 0, 0)):
        assert proposed(both, predicted_masks(*masks)) == []
    assert proposed(one_person(20, mask=(0, 1)), predicted_masks(0, 2)) == []
    one_sided = predicted_masks(0, 2, 1)
    one_sided[2] = 0.7 * predicted_masks(0, 0, 2)[2] + 0.3 * one_sided[2]
    assert labels.marginals(one_sided)[0][[1, 2], [2, 1]].mean() > 0.6
    assert proposed(both, one_sided, threshold=0.6) == []


def test_a_fix_that_the_run_was_trained_with_is_kept_unless_another_replaces_it():
    notes = ["not a fix", "label fix: a b gender male", "label fix: c mask swap", "label fix: d age 30"]
    trained = [Fix("a b", "gender", "male", None), Fix("c", "mask", "swap", None), Fix("d", "age", "30", None)]
    assert label_errors.merge(notes, []) == trained
    proposals = [Fix("c", "mask", "swap", 0.95), Fix("d", "age", "60", 0.94), Fix("e", "mask", "swap", 0.93)]
    assert label_errors.merge(notes, proposals) == [*proposals[1:], trained[0]]
