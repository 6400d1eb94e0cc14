"""The vote: closed forms, laws, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import disk, labels, places
from core.refusal import Refusal
from core.runs import reader
from ensembles.voting import run, soft, submission


def make(name: str, seed: int, rows: int = 21, labelled: int = 0, hole: bool = False) -> None:
    """A finished run of random probabilities, as `reader.load` accepts it."""
    rng = np.random.default_rng(seed)
    folder = places.runs() / name
    oof, test = rng.dirichlet(np.ones(18), (2, rows)).astype(np.float32)
    if hole:
        oof[:7] = np.nan
    disk.write_array(folder / "oof.npy", oof)
    disk.write_array(folder / "test.npy", test)
    label = np.random.default_rng(labelled).integers(0, 18, rows)
    frame = pd.DataFrame(
        {
            "file": [f"f{k}" for k in range(rows)],
            "person": [f"p{k // 7}" for k in range(rows)],
            "age": 20,
            "label": label,
            "fold": 0,
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({"ImageID": [f"t{k}.jpg" for k in range(rows)]}).to_csv(folder / "test.csv", index=False)
    disk.write_json(folder / "run.json", about(folder, rows=f"{rows}", labels=f"{labelled}"))


def about(folder, **given):
    files = ("oof.npy", "test.npy", "rows.csv", "test.csv")
    return {
        "sha256": {file: disk.digest(folder / file) for file in files},
        "classes": labels.CLASSES,
        "commit": None,
        "scores": None,
        **given,
    }


@pytest.fixture
def three(home):
    for seed, name in enumerate("abc"):
        make(f"k/{name}", seed)
    return [run(f"k/{name}") for name in "abc"]


def test_soft_is_the_weighted_mean(three):
    a, b, c = three
    expected = (2 * a.probs("test") + b.probs("test") + 3 * c.probs("test")) / 6
    np.testing.assert_allclose(soft(2 * a, b, c * 3).probs("test"), expected)
    np.testing.assert_allclose(soft(a).probs("oof"), a.probs("oof"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3), st.floats(1e-3, 1e3))
def test_laws(tmp_path_factory, weights, scale):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS", str(tmp_path_factory.mktemp("runs")))
        for seed, name in enumerate("abc"):
            make(f"k/{name}", seed)
        members = [weight * run(f"k/{name}") for weight, name in zip(weights, "abc", strict=True)]
        vote_ = soft(*members)
        nested = soft(vote_, 2 * soft(*members[:2]))
        for part in ("oof", "test"):
            for node in (vote_, nested):
                assert node.probs(part).shape == (21, 18)
                assert node.probs(part).dtype == np.float64
                np.testing.assert_allclose(node.probs(part).sum(1), 1, atol=1e-9)
            np.testing.assert_allclose(
                soft(*(scale * member for member in members)).probs(part), vote_.probs(part), atol=1e-12
            )


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, "2"])
def test_a_weight_is_positive_and_finite(weight):
    with pytest.raises(Refusal, match="must be a positive number"):
        weight * run("k/a")


def test_weights_that_only_together_leave_the_numbers_are_refused_or_scaled(three):
    a, b, _ = three
    with pytest.raises(Refusal, match="must be a positive number"):
        1e200 * (1e200 * a)
    with pytest.raises(Refusal, match="must be a positive number"):
        1e-200 * (1e-200 * a)
    np.testing.assert_allclose(soft(1e308 * a, 1e308 * b).probs("test"), soft(a, b).probs("test"))


def test_a_fold_votes_alone(three):
    folder = places.runs() / "k/a"
    told = disk.read_json(folder / "run.json")
    rng = np.random.default_rng(9)
    each = [rng.dirichlet(np.ones(18), 21).astype(np.float32) for _ in range(2)]
    for number, probs in enumerate(each):
        disk.write_array(folder / f"folds/{number}/test.npy", probs)
    told["folds"] = [
        {"macro_f1": f1, "sha256": disk.digest(folder / f"folds/{k}/test.npy")} for k, f1 in enumerate((0.3, 0.5))
    ]
    disk.write_json(folder / "run.json", told)
    np.testing.assert_allclose(run("k/a", fold="best").probs("test"), each[1], atol=1e-6)
    np.testing.assert_allclose(run("k/a", fold=0).probs("test"), each[0], atol=1e-6)
    assert np.isnan(run("k/a", fold=1).probs("oof")).all()
    assert not np.isnan(run("k/a", fold=0).probs("oof")).any()
    assert run("k/a", fold="best").label == 'run("k/a", fold="best")'
    with pytest.raises(Refusal, match="has folds 0 to 1, not 2"):
        run("k/a", fold=2).probs("test")
    disk.write_array(folder / "folds/0/test.npy", each[1])
    with pytest.raises(Refusal, match=r"folds/0/test\.npy is not as the run left it"):
        run("k/a", fold=0).probs("test")


def test_only_votes_vote():
    with pytest.raises(Refusal, match="not over 'k/a'"):
        soft("k/a")
    with pytest.raises(Refusal, match="no members"):
        soft()


def test_a_submission_keeps_the_order_and_is_written_once(three, home, capsys):
    path = submission.write("mine", soft(*three))
    frame = pd.read_csv(path)
    assert frame["ImageID"].tolist() == [f"t{k}.jpg" for k in range(21)]
    assert frame["ans"].tolist() == soft(*three).probs("test").argmax(1).tolist()
    told = json.loads(path.with_suffix(".json").read_text())
    assert [member["vote"] for member in told["tree"]["members"]] == ['run("k/a")', 'run("k/b")', 'run("k/c")']
    assert told["tree"]["oof"]["people"] == 3
    assert capsys.readouterr().out.count("macro F1") == 4
    with pytest.raises(Refusal, match="--force"):
        submission.write("mine", soft(*three))
    submission.write("mine", three[0], force=True)


def test_rows_that_a_member_never_held_are_not_scored(three, capsys):
    make("k/hole", 5, hole=True)
    _, holed = three[0], run("k/hole")
    covered = ~np.isnan(soft(three[0], holed).probs("oof")[:, 0])
    assert covered.tolist() == [False] * 7 + [True] * 14
    submission.write("holed", soft(three[0], holed))
    assert "no score" in capsys.readouterr().out


def test_runs_of_two_data_sets_do_not_vote_together(three):
    make("k/longer", 3, rows=28)
    make("k/relabelled", 3, labelled=1)
    for other, field in (("k/longer", "rows"), ("k/relabelled", "labels")):
        with pytest.raises(Refusal, match=f"{other}: has other {field} than k/a"):
            submission.write("two", soft(three[0], run(other)))
    assert not places.submissions().exists()


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "7"])
def test_a_damaged_run_json_is_named(three, text):
    (places.runs() / "k/b/run.json").write_text(text)
    with pytest.raises(Refusal, match=r"k/b: its run\.json is damaged"):
        submission.write("bad", soft(*three))


def test_a_smoke_run_answers_too_little_to_be_submitted(home):
    make("k/a-smoke", 0)
    with pytest.raises(Refusal, match="is a smoke run"):
        submission.write("bad", soft(run("k/a-smoke")))


@pytest.mark.parametrize("file", ["oof.npy", "test.npy", "rows.csv", "test.csv"])
def test_a_damaged_member_is_named(three, file):
    path = places.runs() / "k/b" / file
    damaged = bytearray(path.read_bytes())
    damaged[-2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(Refusal, match=f"k/b: {file} is not as the run left it"):
        submission.write("bad", soft(*three))


@pytest.mark.parametrize(
    ("array", "value", "says"),
    [("test.npy", np.nan, "NaN"), ("test.npy", 0.9, "do not sum to 1"), ("oof.npy", 0.9, "do not sum to 1")],
)
def test_probabilities_that_are_none_are_refused(three, array, value, says):
    folder = places.runs() / "k/b"
    found = np.load(folder / array)
    found[3, 4] = value
    disk.write_array(folder / array, found)
    disk.write_json(folder / "run.json", about(folder, rows="21", labels="0"))
    with pytest.raises(Refusal, match=says):
        reader.load("k/b")


def test_another_class_order_is_refused(three):
    folder = places.runs() / "k/b"
    disk.write_json(folder / "run.json", {**disk.read_json(folder / "run.json"), "classes": labels.CLASSES[::-1]})
    with pytest.raises(Refusal, match="class order"):
        reader.load("k/b")


def test_an_answer_outside_the_classes_is_refused():
    for ids, answers in ((["a", "a"], [0, 1]), (["a"], [18]), (["a", "b"], [0])):
        with pytest.raises(Refusal, match="each test image once"):
            submission.checked(ids, np.array(answers))
