"""Runs as members of votes: weights, single folds, and the runs that are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import disk, labels, places
from core.refusal import Refusal
from core.runs import reader
from ensembles.voting import run, soft, submission
from ensembles.voting.nodes import check_same_data
from tests import fabricated
from tests.voting.random_runs import random_run, write_manifest


def test_soft_is_the_weighted_mean(three):
    a, b, c = three
    expected = (2 * a.probs("test") + b.probs("test") + 3 * c.probs("test")) / 6
    np.testing.assert_allclose(soft(2 * a, b, c * 3).probs("test"), expected)
    np.testing.assert_allclose(soft(a).probs("oof"), a.probs("oof"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3), st.floats(1e-3, 1e3))
def test_soft_votes_over_runs_keep_the_laws(tmp_path_factory, weights, scale):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS", str(tmp_path_factory.mktemp("runs")))
        for seed, name in enumerate("abc"):
            random_run(f"k/{name}", seed)
        members = [weight * run(f"k/{name}") for weight, name in zip(weights, "abc", strict=True)]
        vote = soft(*members)
        nested = soft(vote, 2 * soft(*members[:2]))
        for part in ("oof", "test"):
            for node in (vote, nested):
                assert node.probs(part).shape == (21, 18)
                assert node.probs(part).dtype == np.float64
                np.testing.assert_allclose(node.probs(part).sum(1), 1, atol=1e-9)
            np.testing.assert_allclose(
                soft(*(scale * member for member in members)).probs(part), vote.probs(part), atol=1e-12
            )


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, "2"])
def test_a_weight_is_positive_and_finite(weight):
    with pytest.raises(Refusal, match="must be a positive number"):
        weight * run("k/a")


def test_a_product_of_weights_is_positive_and_finite_and_a_sum_does_not_overflow(three):
    a, b, _ = three
    with pytest.raises(Refusal, match="must be a positive number"):
        1e200 * (1e200 * a)
    with pytest.raises(Refusal, match="must be a positive number"):
        1e-200 * (1e-200 * a)
    np.testing.assert_allclose(soft(1e308 * a, 1e308 * b).probs("test"), soft(a, b).probs("test"))


def test_a_single_fold_can_vote(three):
    folder = places.runs() / "k/a"
    manifest = disk.read_json(folder / "run.json")
    rng = np.random.default_rng(9)
    fold_probs = [rng.dirichlet(np.ones(18), 21).astype(np.float32) for _ in range(2)]
    for number, probs in enumerate(fold_probs):
        disk.write_array(folder / f"folds/{number}/test.npy", probs)
    manifest["folds"] = [
        {"macro_f1": f1, "sha256": disk.digest(folder / f"folds/{k}/test.npy")} for k, f1 in enumerate((0.3, 0.5))
    ]
    disk.write_json(folder / "run.json", manifest)
    np.testing.assert_allclose(run("k/a", fold="best").probs("test"), fold_probs[1], atol=1e-6)
    np.testing.assert_allclose(run("k/a", fold=0).probs("test"), fold_probs[0], atol=1e-6)
    assert np.isnan(run("k/a", fold=1).probs("oof")).all()
    assert not np.isnan(run("k/a", fold=0).probs("oof")).any()
    assert run("k/a", fold="best").label == 'run("k/a", fold="best")'
    with pytest.raises(Refusal, match="has folds 0 to 1, not 2"):
        run("k/a", fold=2).probs("test")
    disk.write_array(folder / "folds/0/test.npy", fold_probs[1])
    with pytest.raises(Refusal, match=r"folds/0/test\.npy is not as the run left it"):
        run("k/a", fold=0).probs("test")


def test_a_run_that_was_trained_again_is_read_again(three):
    before = three[0].probs("test")
    random_run("k/a", 77)
    assert not np.array_equal(three[0].probs("test"), before)


def test_only_nodes_are_members():
    with pytest.raises(Refusal, match="not over 'k/a'"):
        soft("k/a")
    with pytest.raises(Refusal, match="no members"):
        soft()


def test_runs_of_two_data_sets_cannot_vote_together(three):
    random_run("k/longer", 3, rows=28)
    random_run("k/relabelled", 3, label_seed=1)
    for other, field in (("k/longer", "rows"), ("k/relabelled", "labels")):
        with pytest.raises(Refusal, match=f"{other}: has other {field} than k/a"):
            submission.write("two", soft(three[0], run(other)))
    assert not places.submissions().exists()


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "7"])
def test_a_damaged_run_json_is_refused_with_the_runs_name(three, text):
    (places.runs() / "k/b/run.json").write_text(text)
    with pytest.raises(Refusal, match=r"k/b: its run\.json is damaged"):
        submission.write("bad", soft(*three))


def test_a_smoke_run_is_refused(home):
    random_run("k/a-smoke", 0)
    with pytest.raises(Refusal, match="is a smoke run"):
        submission.write("bad", soft(run("k/a-smoke")))


@pytest.mark.parametrize("file", ["oof.npy", "test.npy", "rows.csv", "test.csv"])
def test_a_damaged_file_is_refused_with_the_runs_name(three, file):
    path = places.runs() / "k/b" / file
    damaged = bytearray(path.read_bytes())
    damaged[-2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(Refusal, match=f"k/b: {file} is not as the run left it"):
        submission.write("bad", soft(*three))


@pytest.mark.parametrize(
    ("array", "value", "message"),
    [("test.npy", np.nan, "NaN"), ("test.npy", 0.9, "do not sum to 1"), ("oof.npy", 0.9, "do not sum to 1")],
)
def test_arrays_that_are_no_probabilities_are_refused(three, array, value, message):
    folder = places.runs() / "k/b"
    probs = np.load(folder / array)
    probs[3, 4] = value
    disk.write_array(folder / array, probs)
    write_manifest(folder, rows="21", labels="0")
    with pytest.raises(Refusal, match=message):
        reader.load("k/b")


def test_another_class_order_is_refused(three):
    folder = places.runs() / "k/b"
    disk.write_json(folder / "run.json", {**disk.read_json(folder / "run.json"), "classes": labels.CLASSES[::-1]})
    with pytest.raises(Refusal, match="class order"):
        reader.load("k/b")


def test_runs_of_other_photographs_under_the_same_names_do_not_vote(home, capsys):
    frame = fabricated.rows(10)
    probs = fabricated.predictions(frame["label"].to_numpy())
    for name, images in (("k/a", {"images": "one"}), ("k/b", {"images": "two"}), ("k/old", {})):
        fabricated.finish(name, frame, probs, **images)
    with pytest.raises(Refusal, match="k/b: was trained on other photographs under the same names than k/a"):
        check_same_data(soft(run("k/a"), run("k/b")))
    check_same_data(soft(run("k/a"), run("k/old")))
    assert "whether these saw the same photographs as the others: k/old" in capsys.readouterr().err
