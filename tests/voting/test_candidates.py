"""Candidates: runs of one data set and the same held-out rows; the others are left out or refused."""

import numpy as np
import pytest

from core import disk, places
from core.refusal import Refusal
from ensembles.voting import candidates
from tests.fabricated import finish, rows

FRAME = rows(40)


def random_probs(seed: int, number: int = len(FRAME)) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(18), number)


def test_runs_of_two_data_sets_are_not_mixed(home):
    finish("k/a", FRAME, random_probs(1))
    finish("k/b", FRAME, random_probs(2))
    finish("l/other", rows(20), random_probs(3, 140), data_set="two")
    with pytest.raises(Refusal, match=r"runs of 2 data sets .*: 2 like k/a, 1 like l/other; give --like KERNEL/NAME"):
        candidates.load()
    assert candidates.load(like="k/b").names == ["k/a", "k/b"]
    assert candidates.load(like="l/other").names == ["l/other"]
    assert candidates.load(only=("k/b",)).names == ["k/b"]
    with pytest.raises(Refusal, match="2 data sets"):
        candidates.load(only=("k/b", "l/other"))
    for arguments in ({"like": "k/none"}, {"only": ("k/a", "k/none")}):
        with pytest.raises(Refusal, match="k/none: is no run"):
            candidates.load(**arguments)


def test_a_run_that_cannot_be_compared_is_left_out_with_the_reason(home):
    incomplete = random_probs(2)
    incomplete[:14] = np.nan
    finish("k/a", FRAME, random_probs(1))
    finish("k/incomplete", FRAME, incomplete)
    finish("k/tiny-smoke", rows(5), random_probs(3, 35), data_set="smoke")
    (places.runs() / "k/unfinished").mkdir()
    runs = candidates.load()
    assert runs.names == ["k/a"]
    assert runs.left_out == [
        "k/tiny-smoke (a smoke run)",
        "k/incomplete (held out 266 of the 280 rows that others did)",
    ]
    (places.runs() / "k/tiny-smoke/run.json").write_text("{")
    assert candidates.load().left_out[0] == "k/tiny-smoke (its run.json is damaged)"


def test_runs_that_held_out_the_same_part_are_compared_on_it(home):
    for seed in range(2):
        few = random_probs(seed)
        few[35:] = np.nan
        finish(f"k/{seed}", FRAME, few)
    with pytest.raises(Refusal, match="held out 5 people; at least 40 are needed"):
        candidates.load()
    frame = rows(150)
    for seed in range(2):
        few = random_probs(seed, len(frame))
        few[:70] = np.nan
        finish(f"k/{seed}", frame, few)
    assert candidates.load().probs.shape == (2, 980, 18)


def test_too_few_people_or_no_run_are_refused(home, command):
    done = command("-m", "ensembles.voting.selection")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no run is finished in" in done.stderr
    finish("k/tiny-smoke", rows(5), random_probs(3, 35))
    with pytest.raises(Refusal, match=r"except k/tiny-smoke \(a smoke run\); make one"):
        candidates.load()
    finish("k/a", rows(3), random_probs(1, 21), data_set="three")
    with pytest.raises(Refusal, match="held out 3 people; at least 5 are needed"):
        candidates.load(min_people=5)
    finish("k/a", FRAME, random_probs(1))
    disk.write_array(places.runs() / "k/a/oof.npy", random_probs(2))
    with pytest.raises(Refusal, match=r"k/a: oof\.npy is not as the run left it"):
        candidates.load()
