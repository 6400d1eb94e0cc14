"""Runs that were finished when core was flat load, are listed, vote and are compared as on the day they were made.

before_the_move/ holds two tiny runs of commit f87f025, and the soft vote over them.
"""

import shutil
from pathlib import Path

import pytest

from core.launch import predict
from core.refusal import Refusal
from core.reports import listing
from core.runs import reader
from ensembles.voting import run, soft, submit

BEFORE = Path(__file__).with_name("before_the_move")


@pytest.fixture
def before(home):
    """Copies of the old runs and of the old submission, as `before`."""
    shutil.copytree(BEFORE / "runs", home / "runs")
    shutil.copytree(BEFORE / "submissions", home / "submissions")
    return home


def test_they_load_and_are_listed(before, capsys):
    old = reader.load("v5_multitask/tiny")
    assert old.oof.shape == (168, 18)
    assert old.manifest["recipe"]["age_old"] == 58
    listing.table()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "run",
        "v5_multitask/tiny",
        "v1_single/tiny",
    ]


def test_they_vote_as_they_did(before, monkeypatch):
    monkeypatch.setattr("sys.argv", ["again.py"])
    submit("again.py", soft(run("v5_multitask/tiny"), 2 * run("v1_single/tiny")))
    old, again = (before / "submissions" / f"{name}.csv" for name in ("before", "again"))
    assert again.read_bytes() == old.read_bytes()


def test_they_are_compared(before, command):
    done = command("-m", "submissions.compare", "before")
    assert done.returncode == 0, done.stderr
    assert "0.0568 [0.0288, 0.0806]" in done.stdout


def test_a_run_whose_source_needs_the_old_core_cannot_predict_and_says_so(before, data_dir):
    options = predict.Options(images=str(data_dir / "eval/images"), out=str(before / "probs.csv"))
    with pytest.raises(Refusal) as refused:
        predict.predict("v5_multitask/tiny", options)
    assert "run.py: does not load with this core (cannot import name" in str(refused.value)
    assert "the commit in its run.json" in str(refused.value)
    assert "\n" not in str(refused.value)
