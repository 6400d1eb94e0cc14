"""The laws of voting, on trees of any shape: closure, one path, ties, scale-free weights."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import labels
from core.refusal import Refusal
from ensembles.voting import hard, soft
from ensembles.voting.nodes import Node

ROWS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixed(Node):
    """A member with these (n, 18) probabilities, out of fold and on test."""

    array: np.ndarray

    @property
    def label(self) -> str:
        return "fixed"

    def probs(self, part: str) -> np.ndarray:
        return self.array


def one_hot(*classes: int, probability: float = 1.0) -> np.ndarray:
    """A row for each class with this probability; the rest is spread over the others."""
    array = np.full((len(classes), 18), (1 - probability) / 17)
    array[np.arange(len(classes)), classes] = probability
    return array


def votes(children):
    """Any vote over one or more of the children, some of them weighted."""
    weighted = st.builds(lambda member, weight: weight * member, children, st.sampled_from((0.1, 0.2, 0.3, 1, 2, 1e6)))
    return st.builds(
        lambda kind, members, per: kind(*members, per=per),
        st.sampled_from((soft, hard)),
        st.lists(children | weighted, min_size=1, max_size=4),
        st.sampled_from(("class", "attribute")),
    )


def random_member(seed: int, coarse: bool) -> Fixed:
    """Coarse members have few different values, so that shares and means tie."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(1, 3, (ROWS, 18)).astype(float) if coarse else rng.dirichlet(np.ones(18), ROWS)
    return Fixed(array=raw / raw.sum(1, keepdims=True))


members = st.builds(random_member, st.integers(0, 9), st.booleans())
trees = st.recursive(members, votes, max_leaves=8).filter(lambda node: node.members)


@settings(max_examples=80, deadline=None)
@given(trees)
def test_closure_and_one_path(tree):
    probs = tree.probs("test")
    assert probs.shape == (ROWS, 18)
    assert probs.dtype == np.float64
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-9)
    np.testing.assert_array_equal(probs, tree.probs("oof"))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from((soft, hard)),
    st.lists(st.tuples(members, st.sampled_from((1, 2, 3, 5, 8))), min_size=1, max_size=5),
    st.sampled_from((0.1, 0.3, 1 / 3, 2, 7, 1e-6, 1e9)),
    st.sampled_from(("class", "attribute")),
)
def test_only_the_ratios_of_weights_matter(kind, weighted, scale, per):
    plain = kind(*(weight * member for member, weight in weighted), per=per).probs("test")
    scaled = kind(*((weight * scale) * member for member, weight in weighted), per=per).probs("test")
    np.testing.assert_allclose(plain, scaled, atol=1e-9)
    first, second = np.sort(plain, 1)[:, :-3:-1].T
    clear = first - second > 1e-9 if kind is soft else first > 0  # a hard vote breaks its ties itself
    np.testing.assert_array_equal(plain.argmax(1)[clear], scaled.argmax(1)[clear])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(members, st.integers(1, 4)), min_size=1, max_size=5))
def test_a_hard_vote_is_won_by_the_greatest_weight_then_by_the_mean(weighted):
    """The winner has the greatest sum of weights, and of those classes the greatest weighted mean."""
    array = hard(*(weight * member for member, weight in weighted)).probs("test")
    weights = np.array([weight for _, weight in weighted], float)
    mean = np.tensordot(weights / weights.sum(), [member.array for member, _ in weighted], 1)
    for row in range(ROWS):
        share = np.zeros(18)
        for member, weight in weighted:
            share[member.array[row].argmax()] += weight
        winner = array[row].argmax()
        assert share[winner] == share.max()
        assert mean[row, winner] == pytest.approx(mean[row][share == share.max()].max(), abs=1e-9)


def test_without_a_tie_the_array_is_its_formula():
    a, b, c = (Fixed(array=one_hot(4, 7, probability=probability)) for probability in (0.9, 0.8, 0.5))
    d = Fixed(array=one_hot(5, 7, probability=0.6))
    share = np.array([3 * one_hot(4, 7) + one_hot(5, 7)]).sum(0) / 4
    mean = (a.array + b.array + c.array + d.array) / 4
    np.testing.assert_allclose(hard(a, b, c, d).probs("oof"), (share + 1e-6 * mean) / (1 + 1e-6), atol=1e-12)


def test_the_majority_wins_over_the_most_certain_member():
    probs = hard(*(Fixed(array=one_hot(2, probability=0.2)) for _ in range(2)), Fixed(array=one_hot(9)))
    assert probs.probs("test").argmax(1).tolist() == [2]


@pytest.mark.parametrize(("one", "other"), [(3, 11), (11, 3)])
def test_a_tie_goes_to_the_higher_mean_and_not_to_the_lower_class(one, other):
    more, less = Fixed(array=one_hot(one, probability=0.7)), Fixed(array=one_hot(other, probability=0.6))
    assert hard(more, less).probs("test").argmax(1).tolist() == [one]
    assert hard(less, more).probs("test").argmax(1).tolist() == [one]


@pytest.mark.parametrize(("one", "other"), [(3, 11), (11, 3)])
def test_if_the_means_tie_too_the_first_named_member_wins(one, other):
    first, second = (Fixed(array=one_hot(each, probability=0.7)) for each in (one, other))
    for weight in (1, 0.1, 1e9):
        assert hard(weight * first, weight * second).probs("test").argmax(1).tolist() == [one]
    assert hard(hard(first, second), second, first).probs("test").argmax(1).tolist() == [one]


def test_weights_that_add_up_to_the_same_but_for_rounding_are_a_tie():
    """0.1 + 0.2 is not 0.3 in floating point."""
    a, b = (Fixed(array=one_hot(11, probability=0.6)) for _ in range(2))
    c = Fixed(array=one_hot(3, probability=0.9))
    for scale in (1, 10, 1e7):
        probs = hard((0.1 * scale) * a, (0.2 * scale) * b, (0.3 * scale) * c)
        assert probs.probs("test").argmax(1).tolist() == [3]


def test_a_share_gap_of_more_than_a_millionth_is_no_tie():
    heavier, more_certain = Fixed(array=one_hot(11, probability=0.3)), Fixed(array=one_hot(3))
    assert hard(1.00001 * heavier, more_certain).probs("test").argmax(1).tolist() == [11]


def test_per_attribute_votes_separately_and_joins():
    a, b = random_member(1, False), random_member(2, False)
    parts = zip(labels.marginals(a.array), labels.marginals(b.array), strict=True)
    expected = labels.joint(*((2 * one + other) / 3 for one, other in parts))
    np.testing.assert_allclose(soft(2 * a, b, per="attribute").probs("test"), expected)
    agree = Fixed(array=one_hot(labels.label(0, 1, 2)))
    mixed = [Fixed(array=one_hot(labels.label(0, 1, 0))), Fixed(array=one_hot(labels.label(2, 0, 2)))]
    assert hard(agree, *mixed, per="attribute").probs("test").argmax(1).tolist() == [labels.label(0, 1, 2)]


def test_a_row_that_one_member_did_not_hold_out_has_no_vote():
    complete, incomplete = random_member(1, False), random_member(2, False).array.copy()
    incomplete[3] = np.nan
    for kind in (soft, hard):
        for per in ("class", "attribute"):
            probs = kind(complete, Fixed(array=incomplete), complete, per=per).probs("oof")
            assert np.isnan(probs[3]).all()
            assert not np.isnan(np.delete(probs, 3, 0)).any()


def test_an_unknown_per_and_a_vote_without_members_are_refused():
    with pytest.raises(Refusal, match='must be "class" or "attribute"'):
        hard(random_member(1, False), per="person")
    with pytest.raises(Refusal, match=r"hard\(\) has no members"):
        hard()
