"""Submissions that were made elsewhere, put in another order or damaged: compared as far as can be, or told."""

import numpy as np
import pandas as pd
import pytest

from core import places
from core.refusal import Refusal
from ensembles.voting import run, submission
from submissions.compare import leaderboard
from submissions.compare.comparison import load_comparisons
from tests.compare.fabricated import COMPARE

NOWHERE = places.HOME / "nowhere"


def file(name):
    return places.submissions() / name


def turned(name):
    """The CSV in reverse order, as NAME.csv."""
    pd.read_csv(file("good.csv"), dtype=str).iloc[::-1].to_csv(file(f"{name}.csv"), index=False)


def test_rows_in_another_order_are_put_in_order(three):
    turned("odd")
    file("odd.json").write_bytes(file("good.json").read_bytes())
    (comparison,) = load_comparisons(["good", "odd"], NOWHERE)
    assert comparison.agreement[0, 1] == 1
    assert comparison.submissions[1].ids == comparison.submissions[0].ids


def test_a_csv_alone_takes_part_without_out_of_fold_scores(three, command):
    turned("odd")
    (comparison,) = load_comparisons([], NOWHERE)
    odd = comparison.names.index("odd")
    assert comparison.scores(odd) is None
    np.testing.assert_array_equal(comparison.submissions[odd].test, submission.load("good").test)
    assert leaderboard.add("odd", leaderboard.Options(public_f1="0.78"))["public_f1"] == "0.78"
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert "odd" in done.stdout
    assert "no score: too few people held out" in done.stdout
    text = file("index.html").read_text()
    assert "made elsewhere" in text
    assert "0.78" in text


@pytest.mark.parametrize("answer", ["99999999999999999999", "18", "-1", "3.0", "x", ""])
def test_an_answer_that_is_no_class_is_named(three, answer):
    frame = pd.read_csv(file("good.csv"), dtype=str)
    frame.loc[0, "ans"] = answer
    frame.to_csv(file("odd.csv"), index=False)
    with pytest.raises(Refusal, match=r"odd.csv: ans '.*' of t0.jpg is not a class from 0 to 17"):
        submission.load("odd")


@pytest.mark.parametrize("text", ["[]", "{}", "", '{"tree": 1}', "\xff", "null"])
def test_a_damaged_json_is_told_and_hides_no_other(three, text, capsys):
    turned("odd")
    file("odd.json").write_bytes(text.encode("latin-1"))
    (comparison,) = load_comparisons([], NOWHERE)
    assert sorted(comparison.names) == ["fair", "good", "nested"]
    assert "left out: " in (said := capsys.readouterr().err)
    assert "odd.csv: does not match its .json" in said
    with pytest.raises(Refusal, match=r"odd\.csv: does not match its \.json"):
        load_comparisons(["odd", "good"], NOWHERE)


def test_a_csv_of_other_images_or_of_none_is_kept_apart(three, capsys):
    file("other.csv").write_text("ImageID,ans\na.jpg,1\n")
    file("twice.csv").write_text("ImageID,ans\nt0.jpg,1\nt0.jpg,1\n")
    file("notes.csv").write_text("day,words\n1,x\n")
    first, second = load_comparisons([], NOWHERE)
    assert sorted(first.names) == ["fair", "good", "nested"]
    assert second.names == ["other"]
    told = capsys.readouterr().err
    assert "notes.csv: has no column ImageID" in told
    assert "twice.csv: ImageID t0.jpg stands twice" in told


def test_a_leaderboard_in_another_encoding_is_refused_with_the_way_out(three):
    leaderboard.add("good", leaderboard.Options(public_f1="0.5", note="확인"))
    text = leaderboard.path().read_text(encoding="utf-8")
    leaderboard.path().write_bytes(text.encode("cp949"))
    with pytest.raises(Refusal, match=r"leaderboard.csv: is not UTF-8 text .*; save it as UTF-8"):
        leaderboard.read()


def test_runs_and_data_are_found_again_without_variables(data_dir, train, home, command, monkeypatch):
    """The demo's submissions are compared by `make compare`, though its runs and data lie elsewhere."""
    train(name="tiny")
    submission.write("here", run("v5_multitask/tiny"))
    assert submission.where("here", "data") == data_dir
    assert "here.where" not in [path.name for path in places.submissions().glob("*.json")]
    monkeypatch.setenv("RUNS", str(home / "other_runs"))
    (comparison,) = load_comparisons([], NOWHERE)
    assert len(comparison.rows) == 24 * 7
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert "no data folder" not in done.stdout
    file("here.where").write_text("{")
    assert submission.where("here", "data") is None
