"""Factors on a vote's probabilities: laws, refusals, and how they are chosen on some people and scored on others."""

import numpy as np
import pytest

from core import score
from core.refusal import Refusal
from ensembles.voting import adjust, api, expression, hard, selection, soft
from ensembles.voting.adjust import choose_age_factors
from tests.fabricated import finish, rows
from tests.voting.test_laws import Fixed, random_member

FUNCTIONS = {function.__name__: function for function in (api.run, api.soft, api.hard, api.adjust)}


@pytest.mark.parametrize("factors", [(1, 1, 1), (2, 2, 2), (0.1, 0.1, 0.1)])
def test_equal_factors_change_nothing(factors):
    member = random_member(0, False)
    np.testing.assert_array_equal(adjust(member, age=factors, mask=factors).probs("oof"), member.probs("oof"))


def test_factors_multiply_what_they_name_and_rows_sum_to_one():
    member = random_member(1, False)
    found = adjust(member, age=(1.2, 1, 1.6), gender=(1, 3)).probs("test")
    np.testing.assert_allclose(found.sum(1), 1)
    ratio = found / member.probs("test")
    expected = [(1.2, 1, 1.6)[label % 3] * (1, 3)[label // 3 % 2] for label in range(18)]
    np.testing.assert_allclose(ratio / ratio[:, 1:2], np.array(expected)[None] / expected[1] * np.ones((len(ratio), 1)))
    scaled = adjust(member, age=(12, 10, 16), gender=(0.5, 1.5)).probs("test")
    np.testing.assert_allclose(scaled, found)


def test_it_is_a_member_like_any_other_and_its_text_is_read_back():
    text = 'soft(2 * adjust(hard(run("k/a"), run("k/b")), age=(1.2, 1, 1.6)), run("k/c"))'
    assert str(expression.parse(text, FUNCTIONS)) == text
    assert str(expression.parse("adjust('k/a', gender=(1, 2))", FUNCTIONS)) == 'adjust(run("k/a"), gender=(1, 2))'
    one, other = random_member(2, False), random_member(3, False)
    nested = hard(adjust(soft(one, other), age=(1, 1, 4)), one, per="attribute").probs("oof")
    np.testing.assert_allclose(nested.sum(1), 1)


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        ({"age": (1, 2)}, r"age=\(1, 2\)\): must be 3 positive numbers"),
        ({"age": (1, 0, 1)}, "must be 3 positive numbers"),
        ({"gender": (1, float("inf"))}, "must be 2 positive numbers"),
        ({"mask": 2}, "mask=2\\): must be 3 positive numbers"),
        ({"age": (1, "2", True)}, "must be 3 positive numbers"),
    ],
)
def test_wrong_factors_are_refused(factors, says):
    with pytest.raises(Refusal, match=says):
        adjust(random_member(0, False), **factors)
    with pytest.raises(Refusal, match="votes over run"):
        adjust("k/a", age=(1, 1, 2))


def unsure(frame, seed):
    """Probabilities that take every second elderly row for middle-aged, by a little."""
    rng = np.random.default_rng(seed)
    true = frame["label"].to_numpy()
    probs = np.full((len(true), 18), 0.01)
    probs[np.arange(len(true)), true] = 0.6
    missed = (true % 3 == 2) & (rng.random(len(true)) < 0.5)
    probs[missed, true[missed]], probs[missed, true[missed] - 1] = 0.3, 0.4
    return probs / probs.sum(1, keepdims=True)


def test_the_factor_that_rights_the_elderly_is_found_and_no_larger_than_it_must_be():
    frame = rows(60)
    true = frame["label"].to_numpy()
    probs = unsure(frame, 0)
    young, middle, old = choose_age_factors(probs, true)
    assert (young, middle) == (1.0, 1.0)
    assert old == 1.6  # 0.3 * 1.6 > 0.4, and 0.3 * 1.25 is not
    adjusted = adjust(Fixed(array=probs), age=(young, middle, old)).probs("oof")
    assert score.macro_f1(true, adjusted.argmax(1)) == score.macro_f1(true, true)
    assert choose_age_factors(np.eye(18)[true], true) == (1.0, 1.0, 1.0)


def test_select_proposes_factors_and_scores_them_on_other_people(home, capsys):
    frame = rows(120)
    finish("k/a", frame, unsure(frame, 0))
    selection.print_selection(selection.Options())
    said = capsys.readouterr().out
    assert 'adjust(run("k/a"), age=(1, 1, 1.6))' in said
    assert "greedy selection, adjusted by age differs by +" in said
    assert "better with over 99 %, so use it" in said


def test_factors_of_a_coin_gain_nothing_on_other_people(home):
    """Chosen and scored on the same rows they seem to help; on other people they do not."""
    frame = rows(120, seed=1)
    rng = np.random.default_rng(0)
    finish("k/a", frame, rng.dirichlet(np.ones(18), len(frame)))
    runs = selection.candidates.load("", (), min_people=5)
    plain, *_, adjusted = selection.compare_methods(runs, 1)
    true = frame["label"].to_numpy()
    assert score.macro_f1(true, adjusted.on_all_rows) > score.macro_f1(true, plain.on_all_rows)
    gain = score.macro_f1(true, adjusted.on_all_rows) - score.macro_f1(true, adjusted.cross_validated)
    assert gain > 0.005


def test_below_100_people_no_factors_are_proposed(home, capsys):
    frame = rows(99)
    finish("k/a", frame, unsure(frame, 0))
    selection.print_selection(selection.Options())
    said = capsys.readouterr().out
    assert "adjust(" not in said
    assert "no factors by age are proposed below 100 people" in said
