import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from core import score
from core.refusal import Refusal


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 18))
def test_scores_are_scikit_learns_with_absent_classes_counted_zero(seed, number, classes):
    true, said = np.random.default_rng(seed).integers(0, classes, (2, number))
    expected = f1_score(true, said, labels=range(18), average="macro", zero_division=0)
    assert score.macro_f1(true, said) == pytest.approx(expected)
    assert score.accuracy(true, said) == pytest.approx(accuracy_score(true, said))


def test_closed_forms():
    every = np.arange(18)
    assert score.macro_f1(every, every) == 1
    assert score.macro_f1(every, (every + 1) % 18) == 0
    assert score.macro_f1(np.zeros(5, int), np.zeros(5, int)) == pytest.approx(1 / 18)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_resampling_draws_whole_people(seed):
    rng = np.random.default_rng(seed)
    true, said = rng.integers(0, 18, (2, 70))
    people = np.repeat(np.arange(10), 7)
    per_person = score.by_person(true, said, people)
    np.testing.assert_array_equal(per_person.sum(0), score.confusion(true, said))
    np.testing.assert_allclose(score.bootstrap(per_person, 50).sum((1, 2)), 70)


def test_an_interval_over_people_is_wider_than_over_images():
    """Seven near-copies are one observation: the interval must not shrink as if they were seven."""
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(100) < 0.7, 7)
    true = np.zeros(700, int)
    said = np.where(right, 0, 1)
    _, low, high = score.summary(true, said, np.repeat(np.arange(100), 7))["accuracy"]
    _, narrow_low, narrow_high = score.summary(true, said, np.arange(700))["accuracy"]
    assert (high - low) / (narrow_high - narrow_low) == pytest.approx(7**0.5, rel=0.15)
    assert low < 0.7 < high


def rows(people):
    return pd.DataFrame({"person": [f"p{k}" for k in range(people) for _ in range(7)], "label": 0})


def test_no_score_is_given_for_a_handful_of_people_unless_they_are_all():
    probs = np.full((40 * 7, 18), 1 / 18)
    assert score.out_of_fold_summary(rows(40), probs)["people"] == 40
    probs[7:] = np.nan
    assert score.out_of_fold_summary(rows(40), probs) is None
    assert "no score" in score.line(None)
    many = np.full((150 * 7, 18), 1 / 18)
    many[: 50 * 7] = np.nan
    assert score.out_of_fold_summary(rows(150), many)["people"] == 100


def test_a_submission_against_answers(tmp_path):
    said, truth = tmp_path / "said.csv", tmp_path / "truth.csv"
    truth.write_text("ImageID,ans,person\na,0,1\nb,1,1\nc,2,2\n")
    said.write_text("ImageID,ans\nc,2\na,0\nb,5\n")
    assert score.score_submission(said, truth)["accuracy"][0] == pytest.approx(2 / 3)
    said.write_text("ImageID,ans\na,0\nb,5\n")
    with pytest.raises(Refusal, match="does not answer the same images"):
        score.score_submission(said, truth)
    for bad, says in (
        ("a,18", "'18' of a"),
        ("a,-1", "'-1' of a"),
        ("a,", "'' of a"),
        ("a,x", "'x' of a"),
        ("a,0\na,0", "stands twice"),
    ):
        said.write_text(f"ImageID,ans\n{bad}\nb,5\nc,2\n")
        with pytest.raises(Refusal, match=says):
            score.score_submission(said, truth)
    with pytest.raises(Refusal, match="no such file"):
        score.score_submission(tmp_path / "none.csv", truth)


@pytest.mark.parametrize("draws", [1, score.AT_ONCE, 2 * score.AT_ONCE + 7])
def test_people_drawn_in_parts_are_those_drawn_at_once(draws):
    per_person = np.random.default_rng(0).integers(0, 8, (50, 18, 18))
    times = np.random.default_rng(3).multinomial(50, np.full(50, 1 / 50), draws)
    at_once = np.einsum("dp,pij->dij", times, per_person)
    np.testing.assert_array_equal(score.bootstrap(per_person, draws, seed=3), at_once)


def test_a_class_that_is_not_there_counts_zero_in_every_score():
    """Also where only some classes occur: the competition means over all 18."""
    true, people = np.array([0, 0, 7, 7]), np.array(["a", "b", "c", "d"])
    assert score.macro_f1(true, true) == pytest.approx(2 / 18)
    summary = score.summary(true, true, people)
    assert summary["macro_f1"][0] == pytest.approx(2 / 18)
    assert max(summary["macro_f1"]) <= 2 / 18 + 1e-9
