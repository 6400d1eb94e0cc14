"""Ensemble files: members of one another, and the files that are refused."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core import places
from core.launch import sweep_table
from core.refusal import Refusal
from ensembles.voting import ensemble, hard, soft, submission, submit
from tests import fabricated
from tests.conftest import PROJECT


@pytest.fixture
def write_ensemble(tmp_path, monkeypatch):
    """`write_ensemble(name, text)` writes an ensemble file in a project folder of the test's own."""
    monkeypatch.setattr(places, "HOME", tmp_path)
    (tmp_path / "ensembles").mkdir()

    def write(name: str, text: str) -> None:
        imports = "from ensembles.voting import ensemble, hard, run, soft, submit\n"
        (tmp_path / "ensembles" / f"{name}.py").write_text(imports + text)

    return write


def test_an_ensemble_is_a_member_of_another(three, write_ensemble):
    write_ensemble("inner", 'inner = soft(run("k/a"), run("k/b"))\n')
    write_ensemble("outer", 'outer = hard(2 * ensemble("inner"), run("k/c"))\n')
    expected = hard(2 * soft(*three[:2]), three[2])
    np.testing.assert_array_equal(ensemble("outer").probs("test"), expected.probs("test"))
    assert str(ensemble("outer")) == str(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('bad = soft(bad, run("k/a"))\n', "line 2: name 'bad' is not defined"),
        ('bad = soft(run("k/a")\n', "line 2: '\\(' was never closed"),
        ('bad = ensemble("bad")\n', "the vote bad contains itself: bad -> bad"),
        ('good = run("k/a")\n', "must give its vote the name bad"),
        ('bad = soft(run("k/a"), [])\n', "not over \\[\\]"),
        ("import nothing_such\n", "line 2: No module named"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_vote_is_refused_with_its_line(write_ensemble, text, message):
    write_ensemble("bad", text)
    with pytest.raises(Refusal, match=message):
        ensemble("bad")


def test_the_originals_table_trains_what_its_vote_names(home):
    planned = sweep_table.planned(PROJECT / "ensembles/original.csv", [])
    assert [(each.recipe.folds, each.recipe.val_ratio, each.recipe.lr) for each in planned] == [(1, 0.002, 3e-5)] * 2
    with pytest.raises(Refusal, match=r"run\.py --backbone effb0 --folds 1 --val-ratio 0\.002"):
        ensemble("original").probs("test")
    frame = fabricated.rows(10)
    for each in planned:
        fabricated.finish(each.name, frame, fabricated.predictions(frame["label"].to_numpy()))
    assert [member.loaded.name for member in ensemble("original").members] == [each.name for each in planned]


def test_a_circle_of_ensembles_is_refused(write_ensemble):
    write_ensemble("one", 'one = soft(ensemble("two"))\n')
    write_ensemble("two", 'two = soft(ensemble("three"))\n')
    write_ensemble("three", 'three = soft(ensemble("one"))\n')
    with pytest.raises(Refusal, match="the vote one contains itself: one -> two -> three -> one"):
        ensemble("one")


def test_a_broken_ensemble_ends_in_one_line_on_the_command_line(home, tmp_path):
    project = tmp_path / "project"
    for part in ("core", "ensembles"):
        shutil.copytree(PROJECT / part, project / part)
    (project / "ensembles/bad.py").write_text("bad = (\n")
    words = [sys.executable, "-m", "ensembles.voting", "bad"]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "ensembles/bad.py line 1: '(' was never closed" in done.stderr


def test_a_file_can_write_two_submissions(three, home, monkeypatch):
    monkeypatch.setattr("sys.argv", ["folds.py"])
    submit("ensembles/folds.py", three[0])
    submit("folds_best", three[1])
    assert submission.names() == ["folds", "folds_best"]
