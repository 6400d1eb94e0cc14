"""The age filter and resampling: what training rows are called, and which are repeated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import labels
from core.data import age_filter, resample
from core.data.table import Rows
from core.refusal import Refusal


def rows(people: list[tuple[int, int]]) -> Rows:
    """Two images each (mask worn, none) of people given as (gender, age)."""
    frame = pd.DataFrame(
        [(state, gender, age) for gender, age in people for state in (0, 2)], columns=["mask", "gender", "age"]
    )
    return Rows(frame.assign(label=labels.label(frame["mask"], frame["gender"], labels.age_group(frame["age"]))))


def test_the_boundary_moves_labels_and_leaves_the_rest():
    before = rows([(0, 29), (1, 57), (0, 58), (1, 60)])
    after = age_filter.apply(before, old=58)
    assert (after.column("label") % 3).tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert (after.column("label") // 3 == before.column("label") // 3).all()
    assert (before.column("label") % 3).tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def test_ages_are_dropped():
    assert set(age_filter.apply(rows([(0, 20), (1, 57), (0, 59)]), drop=(57, 59)).column("age")) == {20}
    with pytest.raises(Refusal, match="nothing to train on"):
        age_filter.apply(rows([(0, 57)]), drop=(57,))
    with pytest.raises(Refusal, match="below the second"):
        age_filter.apply(rows([(0, 57)]), young=60, old=60)


people = st.lists(st.tuples(st.integers(0, 1), st.integers(18, 60)), min_size=1, max_size=40)


@given(people, st.sampled_from(["none", "elderly", "balance"]))
def test_repeating_keeps_every_row_once_and_marks_the_rest(people, how):
    before = rows(people)
    after = resample.repeat(before, how)
    copy = after.column("copy")
    pd.testing.assert_frame_equal(after.frame[~copy].drop(columns="copy"), before.frame)
    times = after.frame.groupby(level=0).size()
    group = before.frame["label"] // 3 % 2 * 3 + before.frame["label"] % 3
    if how != "none":
        spread = times.groupby(group).agg(["min", "max"])
        assert (spread["max"] - spread["min"] <= 1).all()


@given(people)
def test_elderly_reach_the_largest_group_and_only_they_are_repeated(people):
    before = rows(people)
    after = resample.repeat(before, "elderly")
    ages = np.bincount(after.column("label") % 3, minlength=3)
    was = np.bincount(before.column("label") % 3, minlength=3)
    assert ages[:2].tolist() == was[:2].tolist()
    assert ages[2] == (was.max() if was[2] else 0)
    assert (after.column("label")[after.column("copy")] % 3 == 2).all()


@given(people)
def test_balance_makes_every_group_as_large_as_the_largest(people):
    after = resample.repeat(rows(people), "balance").column("label")
    sizes = np.bincount(after // 3 % 2 * 3 + after % 3)
    assert len(set(sizes[sizes > 0])) == 1
