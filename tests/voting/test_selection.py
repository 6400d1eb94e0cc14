"""Greedy selection: closed forms, laws, refusals, and the score of the printed expression."""

import shlex

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core import score
from ensembles.voting import candidates, run, selection, soft
from tests.fabricated import finish, predictions, rows

FRAME = rows(40)
TRUE = FRAME["label"].to_numpy()


def random_probs(seed: int, number: int = len(TRUE)) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(18), number)


def better_probs(share: float, seed: int) -> np.ndarray:
    """Random probabilities mixed with this share of the true class."""
    return (1 - share) * random_probs(seed) + share * np.eye(18)[TRUE]


def right_on(part: np.ndarray, probability: float, seed: int) -> np.ndarray:
    """The true class with this probability on `part` of the rows, random on the others."""
    return np.where(part[:, None], predictions(TRUE, probability), random_probs(seed)).astype(np.float64)


def test_a_perfect_run_among_bad_ones_is_chosen_alone():
    probs = np.stack([random_probs(1), random_probs(2), predictions(TRUE), random_probs(3)]).astype(np.float64)
    assert selection.select(probs, TRUE) == [2]


def test_two_runs_that_are_each_half_right_are_both_chosen():
    half = np.arange(len(TRUE)) % 2 == 0
    probs = np.stack([random_probs(1), right_on(half, 0.99, 2), right_on(~half, 0.99, 3)])
    chosen = selection.select(probs, TRUE)
    assert set(chosen) == {1, 2}
    assert score.macro_f1(TRUE, selection.soft_vote(probs, chosen)) > 0.95
    assert max(score.macro_f1(TRUE, each.argmax(1)) for each in probs) < 0.7


def test_a_run_is_chosen_twice_if_it_must_outvote_another():
    """The second run alone is right on a few rows, and on the others it is wrong with a high probability."""
    small = np.arange(len(TRUE)) % 7 == 0
    good = np.where(small[:, None], 1 / 18, predictions(TRUE, 0.5))
    certain = np.where(small[:, None], predictions(TRUE, 0.9), predictions((TRUE + 1) % 18, 0.9))
    chosen = selection.select(np.stack([good, certain]).astype(np.float64), TRUE)
    assert chosen.count(0) == 2
    assert chosen.count(1) == 1


def test_of_equal_runs_the_first_is_chosen_once():
    probs = np.stack([random_probs(1)] * 3)
    assert selection.select(probs, TRUE) == [0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 12))
def test_more_rounds_are_never_worse_and_one_is_the_best_single_run(seed, number, rounds):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 18, 60)
    probs = rng.dirichlet(np.ones(18), (number, 60)) + 0.3 * rng.random() * np.eye(18)[true]
    reached = [
        score.macro_f1(true, selection.soft_vote(probs, selection.select(probs, true, upto))) for upto in (1, rounds)
    ]
    assert reached[1] >= reached[0] == max(score.macro_f1(true, each.argmax(1)) for each in probs)
    assert len(selection.select(probs, true, rounds)) <= rounds


def test_a_weight_is_the_number_of_times_that_a_run_was_chosen():
    assert selection.as_expression(["k/a"]) == selection.as_expression(["k/a", "k/a"]) == 'run("k/a")'
    assert selection.as_expression(["k/a", "k/b", "k/b"]) == 'soft(2 * run("k/b"), run("k/a"))'
    assert selection.as_expression(["k/b", "k/a"]) == 'soft(run("k/a"), run("k/b"))'
    assert selection.as_expression(['k/"a']) == 'run("k/\\"a")'


def test_the_printed_expression_gives_the_printed_score(home):
    for seed, name in enumerate("abc"):
        finish(f"k/{name}", FRAME, better_probs(0.1, seed))
    runs = candidates.load(min_people=5)
    greedy = selection.compare_methods(runs, 10)[0]
    vote = eval(selection.as_expression([runs.names[k] for k in greedy.positions]), {"run": run, "soft": soft})
    assert len(greedy.positions) > 1
    np.testing.assert_array_equal(vote.probs("oof").argmax(1), greedy.on_all_rows)


def test_on_noise_the_cross_validated_score_is_random_and_the_score_on_all_rows_is_too_high():
    frame = rows(150)
    true = frame["label"].to_numpy()
    random, cross_validated, on_all_rows = [], [], []
    for seed in range(8):
        noise = np.random.default_rng(seed).dirichlet(np.ones(18), (20, len(true)))
        runs = candidates.Candidates([f"k/{k:02}" for k in range(20)], frame, noise, [])
        selections = selection.compare_methods(runs, 6)
        np.testing.assert_array_equal(selections[2].cross_validated, selections[2].on_all_rows)
        random.append(np.mean([score.macro_f1(true, each.argmax(1)) for each in noise]))
        cross_validated.append([score.macro_f1(true, each.cross_validated) for each in selections])
        on_all_rows.append([score.macro_f1(true, each.on_all_rows) for each in selections])
        assert "too high." in selection.verdict(selections[0], selections[1:], frame)
    np.testing.assert_allclose(np.mean(cross_validated, 0), np.mean(random), atol=0.01)
    assert (np.array(on_all_rows)[:, 0] > np.array(random) + 0.01).all()
    assert (np.array(on_all_rows)[:, 1] > np.array(random) + 0.005).all()


def test_nobody_is_predicted_by_runs_that_were_chosen_on_them():
    groups = selection.assign_groups(FRAME)
    assert set(groups) == set(range(5))
    assert FRAME.assign(group=groups).groupby("person")["group"].nunique().eq(1).all()
    rows_seen = []

    def method(probs, true):
        rows_seen.append(set(probs[0, :, 0].astype(int)))
        return [0], (1, 1, 1)

    position = np.repeat(np.arange(len(TRUE))[:, None], 18, 1).astype(float)[None]
    selection.cross_validate(position, TRUE, groups, method)
    assert [set(range(len(TRUE))) - each for each in rows_seen] == [set(np.flatnonzero(groups == k)) for k in range(5)]


def test_the_order_on_disk_does_not_matter(home):
    probs = {name: better_probs(0.1, seed) for seed, name in enumerate("abcd")}
    results = []
    for order in ("abcd", "dbca"):
        for name in order:
            finish(f"k/{name}", FRAME, probs[name])
        runs = candidates.load()
        results.append((runs.names, [each.positions for each in selection.compare_methods(runs, 8)]))
    assert results[0] == results[1]
    assert results[0][0] == ["k/a", "k/b", "k/c", "k/d"]


def test_the_command(home, command):
    half = np.arange(len(TRUE)) % 2 == 0
    finish("v/left", FRAME, right_on(half, 0.99, 2))
    finish("v/right's", FRAME, right_on(~half, 0.99, 3))
    finish("v/noise", FRAME, random_probs(4))
    done = command("-m", "ensembles.voting.selection", "--rounds", "6")
    assert done.returncode == 0, done.stderr
    assert 'soft(run("v/left"), run("v/right\'s"))' in done.stdout.splitlines()
    heads, *table = done.stdout.splitlines()[1:5]
    assert [line[: heads.index("runs")].strip() for line in table] == [
        "greedy selection",
        "best single run",
        "soft vote of all",
    ]
    assert all(line[heads.index("macro F1 on all rows") :].count("[") == 1 for line in table)
    words = shlex.split(next(line for line in done.stdout.splitlines() if line.startswith("as a command:")))
    assert words[words.index("ensembles.voting") + 1] == 'soft(run("v/left"), run("v/right\'s"))'
    only = command("-m", "ensembles.voting.selection", "--only", "v/left,v/noise", "--like", "v/noise")
    assert "2 runs, 280 held-out images of 40 people" in only.stdout
    for flags, message in (
        (["--rounds", "0"], "--rounds 0"),
        (["--lik", "x"], "did you mean --like"),
        (["x"], "not a flag"),
    ):
        wrong = command("-m", "ensembles.voting.selection", *flags)
        assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)
        assert message in wrong.stderr
