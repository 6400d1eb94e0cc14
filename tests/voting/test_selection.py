"""Greedy selection: closed forms, laws, what it refuses, and what its expression is worth when pasted."""

import shlex

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import disk, places, score
from core.refusal import Refusal
from ensembles.voting import candidates, run, selection, soft
from tests.fabricated import finish, rows, says

FRAME = rows(40)
TRUE = FRAME["label"].to_numpy()


def guesses(seed: int, number: int = len(TRUE)) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(18), number)


def knowing(much: float, seed: int) -> np.ndarray:
    """Guesses that lean to the truth."""
    return (1 - much) * guesses(seed) + much * np.eye(18)[TRUE]


def right_on(part: np.ndarray, sure: float, seed: int) -> np.ndarray:
    """Sure and right on `part` of the rows, unsure and mostly wrong on the others."""
    return np.where(part[:, None], says(TRUE, sure), guesses(seed)).astype(np.float64)


def test_a_perfect_run_among_bad_ones_is_chosen_alone():
    probs = np.stack([guesses(1), guesses(2), says(TRUE), guesses(3)]).astype(np.float64)
    assert selection.select(probs, TRUE) == [2]


def test_two_runs_that_are_each_half_right_are_both_chosen():
    half = np.arange(len(TRUE)) % 2 == 0
    probs = np.stack([guesses(1), right_on(half, 0.99, 2), right_on(~half, 0.99, 3)])
    chosen = selection.select(probs, TRUE)
    assert set(chosen) == {1, 2}
    assert score.macro_f1(TRUE, selection.vote(probs, chosen)) > 0.95
    assert max(score.macro_f1(TRUE, each.argmax(1)) for each in probs) < 0.7


def test_a_weight_grows_where_one_run_must_outvote_another():
    """The second run knows a little that the first lacks, and says too loudly what it does not know."""
    small = np.arange(len(TRUE)) % 7 == 0
    good = np.where(small[:, None], 1 / 18, says(TRUE, 0.5))
    loud = np.where(small[:, None], says(TRUE, 0.9), says((TRUE + 1) % 18, 0.9))
    chosen = selection.select(np.stack([good, loud]).astype(np.float64), TRUE)
    assert chosen.count(0) == 2
    assert chosen.count(1) == 1


def test_of_runs_that_say_the_same_the_first_is_chosen_once():
    probs = np.stack([guesses(1)] * 3)
    assert selection.select(probs, TRUE) == [0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 12))
def test_more_rounds_are_never_worse_and_one_is_the_best_single_run(seed, number, rounds):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 18, 60)
    probs = rng.dirichlet(np.ones(18), (number, 60)) + 0.3 * rng.random() * np.eye(18)[true]
    reached = [score.macro_f1(true, selection.vote(probs, selection.select(probs, true, upto))) for upto in (1, rounds)]
    assert reached[1] >= reached[0] == max(score.macro_f1(true, each.argmax(1)) for each in probs)
    assert len(selection.select(probs, true, rounds)) <= rounds


def test_the_expression_weighs_as_often_as_it_was_chosen():
    assert selection.expression(["k/a"]) == selection.expression(["k/a", "k/a"]) == 'run("k/a")'
    assert selection.expression(["k/a", "k/b", "k/b"]) == 'soft(2 * run("k/b"), run("k/a"))'
    assert selection.expression(["k/b", "k/a"]) == 'soft(run("k/a"), run("k/b"))'
    assert selection.expression(['k/"a']) == 'run("k/\\"a")'


def test_the_expression_gives_the_score_that_was_told(home):
    for seed, name in enumerate("abc"):
        finish(f"k/{name}", FRAME, knowing(0.1, seed))
    found = candidates.gather(people=5)
    choice = selection.compare(found, 10)[0]
    pasted = eval(selection.expression([found.names[k] for k in choice.chosen]), {"run": run, "soft": soft})
    assert len(choice.chosen) > 1
    np.testing.assert_array_equal(pasted.probs("oof").argmax(1), choice.optimistic)


def test_an_honest_score_of_noise_is_chance_and_the_optimistic_one_lies_above_it():
    frame = rows(150)
    true = frame["label"].to_numpy()
    chance, honest, optimistic = [], [], []
    for seed in range(8):
        noise = np.random.default_rng(seed).dirichlet(np.ones(18), (20, len(true)))
        choices = selection.compare(candidates.Pool([f"k/{k:02}" for k in range(20)], frame, noise, []), 6)
        np.testing.assert_array_equal(choices[2].honest, choices[2].optimistic)
        chance.append(np.mean([score.macro_f1(true, each.argmax(1)) for each in noise]))
        honest.append([score.macro_f1(true, choice.honest) for choice in choices])
        optimistic.append([score.macro_f1(true, choice.optimistic) for choice in choices])
        assert "too much." in selection.verdict(choices[0], choices[1:], frame)
    np.testing.assert_allclose(np.mean(honest, 0), np.mean(chance), atol=0.01)
    assert (np.array(optimistic)[:, 0] > np.array(chance) + 0.01).all()
    assert (np.array(optimistic)[:, 1] > np.array(chance) + 0.005).all()


def test_no_person_is_chosen_on_and_scored_on():
    groups = selection.deal(FRAME)
    assert set(groups) == set(range(5))
    assert FRAME.assign(group=groups).groupby("person")["group"].nunique().eq(1).all()
    seen = []

    def choose(probs, true):
        seen.append(set(probs[0, :, 0].astype(int)))
        return [0]

    position = np.repeat(np.arange(len(TRUE))[:, None], 18, 1).astype(float)[None]
    selection.chosen_elsewhere(position, TRUE, groups, choose)
    assert [set(range(len(TRUE))) - each for each in seen] == [set(np.flatnonzero(groups == k)) for k in range(5)]


def test_the_order_on_disk_does_not_matter(home):
    made = {name: knowing(0.1, seed) for seed, name in enumerate("abcd")}
    results = []
    for order in ("abcd", "dbca"):
        for name in order:
            finish(f"k/{name}", FRAME, made[name])
        found = candidates.gather()
        results.append((found.names, [choice.chosen for choice in selection.compare(found, 8)]))
    assert results[0] == results[1]
    assert results[0][0] == ["k/a", "k/b", "k/c", "k/d"]


def test_runs_of_two_data_sets_are_told_apart(home):
    finish("k/a", FRAME, guesses(1))
    finish("k/b", FRAME, guesses(2))
    finish("l/other", rows(20), guesses(3, 140), data_set="two")
    with pytest.raises(Refusal, match=r"runs of 2 data sets .*: 2 like k/a, 1 like l/other; give --like KERNEL/NAME"):
        candidates.gather()
    assert candidates.gather(like="k/b").names == ["k/a", "k/b"]
    assert candidates.gather(like="l/other").names == ["l/other"]
    assert candidates.gather(only=("k/b",)).names == ["k/b"]
    with pytest.raises(Refusal, match="2 data sets"):
        candidates.gather(only=("k/b", "l/other"))
    for asked in ({"like": "k/none"}, {"only": ("k/a", "k/none")}):
        with pytest.raises(Refusal, match="k/none: is no run"):
            candidates.gather(**asked)


def test_what_cannot_be_compared_is_left_out_and_named(home):
    holed = guesses(2)
    holed[:14] = np.nan
    finish("k/a", FRAME, guesses(1))
    finish("k/holed", FRAME, holed)
    finish("k/tiny-smoke", rows(5), guesses(3, 35), data_set="smoke")
    (places.runs() / "k/unfinished").mkdir()
    found = candidates.gather()
    assert found.names == ["k/a"]
    assert found.left_out == ["k/tiny-smoke (a smoke run)", "k/holed (held out 266 of the 280 rows that others did)"]
    (places.runs() / "k/tiny-smoke/run.json").write_text("{")
    assert candidates.gather().left_out[0] == "k/tiny-smoke (its run.json is damaged)"


def test_hold_outs_alike_are_compared_on_what_they_held(home):
    for seed in range(2):
        few = guesses(seed)
        few[35:] = np.nan
        finish(f"k/{seed}", FRAME, few)
    with pytest.raises(Refusal, match="held out 5 people; at least 40 are needed"):
        candidates.gather()
    frame = rows(150)
    for seed in range(2):
        few = guesses(seed, len(frame))
        few[:70] = np.nan
        finish(f"k/{seed}", frame, few)
    assert candidates.gather().probs.shape == (2, 980, 18)


def test_too_few_people_or_no_run_are_refused(home, command):
    done = command("-m", "ensembles.voting.selection")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no run is finished in" in done.stderr
    finish("k/tiny-smoke", rows(5), guesses(3, 35))
    with pytest.raises(Refusal, match=r"but k/tiny-smoke \(a smoke run\); make one"):
        candidates.gather()
    finish("k/a", rows(3), guesses(1, 21), data_set="three")
    with pytest.raises(Refusal, match="held out 3 people; at least 5 are needed"):
        candidates.gather(people=selection.GROUPS)
    finish("k/a", FRAME, guesses(1))
    disk.write_array(places.runs() / "k/a/oof.npy", guesses(2))
    with pytest.raises(Refusal, match=r"k/a: oof\.npy is not as the run left it"):
        candidates.gather()


def test_the_command_line(home, command):
    half = np.arange(len(TRUE)) % 2 == 0
    finish("v/left", FRAME, right_on(half, 0.99, 2))
    finish("v/right's", FRAME, right_on(~half, 0.99, 3))
    finish("v/noise", FRAME, guesses(4))
    done = command("-m", "ensembles.voting.selection", "--rounds", "6")
    assert done.returncode == 0, done.stderr
    assert 'soft(run("v/left"), run("v/right\'s"))' in done.stdout.splitlines()
    heads, *table = done.stdout.splitlines()[1:5]
    assert [line[: heads.index("runs")].strip() for line in table] == [
        "greedy selection",
        "best single run",
        "soft vote of all",
    ]
    assert all(line[heads.index("optimistic") :].count("[") == 1 for line in table)
    paste = shlex.split(next(line for line in done.stdout.splitlines() if line.startswith("at once:")))
    assert paste[paste.index("ensembles.voting") + 1] == 'soft(run("v/left"), run("v/right\'s"))'
    only = command("-m", "ensembles.voting.selection", "--only", "v/left,v/noise", "--like", "v/noise")
    assert "2 runs, 280 held-out images of 40 people" in only.stdout
    for flags, says_ in (
        (["--rounds", "0"], "--rounds 0"),
        (["--lik", "x"], "did you mean --like"),
        (["x"], "not a flag"),
    ):
        wrong = command("-m", "ensembles.voting.selection", *flags)
        assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)
        assert says_ in wrong.stderr
