"""Votes from the shell, ensemble files, submissions that are read again, and the leaderboard."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core import disk, places, score
from core.refusal import Refusal
from core.reports import listing
from ensembles.voting import ensemble, expression, hard, run, soft, submission, submit
from submissions.compare import leaderboard
from tests.conftest import PROJECT
from tests.voting.test_vote import make

WORDS = {word.__name__: word for word in (run, soft, hard, ensemble)}


@pytest.fixture
def three(home):
    for seed, name in enumerate("abc"):
        make(f"k/{name}", seed)
    return [run(f"k/{name}") for name in "abc"]


@pytest.fixture
def ensembles(tmp_path, monkeypatch):
    """A project folder of its own, in which ensembles can be written: `ensembles(name, text)`."""
    monkeypatch.setattr(places, "HOME", tmp_path)
    (tmp_path / "ensembles").mkdir()

    def write(name: str, text: str) -> None:
        head = "from ensembles.voting import ensemble, hard, run, soft, submit\n"
        (tmp_path / "ensembles" / f"{name}.py").write_text(head + text)

    return write


@pytest.mark.parametrize(
    "text",
    [
        'run("k/a")',
        'run("k/a", fold="best")',
        'run("k/a", fold=0)',
        'soft(run("k/a"), 2 * run("k/b"))',
        'hard(2 * soft(run("k/a"), run("k/b")), 0.3 * run("k/c"), per="attribute")',
        '3 * hard(run("k/a"), soft(run("k/b"), per="attribute"))',
    ],
)
def test_an_expression_reads_back_as_it_is_written(text):
    assert str(expression.parse(text, WORDS)) == text


def test_an_expression_is_the_vote_it_says(three):
    a, b, c = three
    found = expression.parse("hard(2*soft('k/a','k/b'), 'k/c' * 0.5, soft('k/c'))", WORDS)
    np.testing.assert_array_equal(found.probs("test"), hard(2 * soft(a, b), 0.5 * c, soft(c)).probs("test"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("__import__('os').system('true')", "cannot vote with"),
        ("open('k/a')", "cannot vote with"),
        ("soft.__globals__", "cannot vote with"),
        ("soft(*[run('k/a')])", "cannot vote with"),
        ("soft('k/a', **{'per': 'attribute'})", "cannot vote with"),
        ("run('k/' + 'a')", "cannot vote with"),
        ("(lambda: run('k/a'))()", "cannot vote with"),
        ("soft('k/a') + soft('k/b')", "cannot vote with"),
        ("soft('k/a'", "cannot read"),
        ("", "cannot read"),
        ("(" * 500, "cannot read"),
        ("soft('k/a', 0 * 'k/b')", "weight 0"),
        ("soft('k/a', -1 * run('k/b'))", "weight -1"),
        ("soft('k/a', 1e999 * run('k/b'))", "weight inf"),
        ("soft('k/a', nan * run('k/b'))", "cannot vote with 'nan'"),
        ("soft('k/a', True * run('k/b'))", "weight True"),
        ("soft('k/a', seed=3)", "seed"),
        ("run('k/a', fold='worst')", "a fold is its number"),
        ("run('k')", "as KERNEL/NAME"),
        ("run('../../k/a')", "as KERNEL/NAME"),
        ("soft()", "has no members"),
        ("7", "cannot vote with"),
    ],
)
def test_nothing_but_the_votes_own_words_is_understood(text, says):
    with pytest.raises(Refusal, match=says.replace("(", r"\(")) as refused:
        expression.parse(text, WORDS)
    assert "\n" not in str(refused.value)


def test_the_shell_takes_a_vote_and_writes_it_only_if_it_has_a_name(three, home, command):
    text = "hard(2*soft('k/a','k/b'), 'k/c')"
    seen = command("-m", "ensembles.voting", text)
    assert seen.returncode == 0, seen.stderr
    assert "not written" in seen.stdout
    assert not places.submissions().exists()
    assert command("-m", "ensembles.voting", text, "--name", "tonight").returncode == 0
    loaded = submission.load("tonight")
    assert loaded.manifest["expression"] == 'hard(2 * soft(run("k/a"), run("k/b")), run("k/c"))'
    asked = hard(2 * soft(*three[:2]), three[2])
    np.testing.assert_array_equal(loaded.test, asked.probs("test").argmax(1))
    np.testing.assert_array_equal(loaded.oof, asked.probs("oof").argmax(1))
    assert set(loaded.manifest["members"]) == {"k/a", "k/b", "k/c"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["soft('k/a', 'v5_multitask/effb0-seed1')"],
            "make it with python kernels/v5_multitask/run.py --backbone effb0",
        ),
        (["soft('k/a')", "--name", "a/b"], "must be a plain name"),
        (["soft('k/a')", "--name", "leaderboard"], "must be a plain name"),
        (["soft('k/a')", "--nane", "x"], "did you mean --name?"),
        (["finall"], "did you mean final?"),
        (["nothing_like_it"], "there are demo, final, folds, hard_v4, nested"),
        ([""], "needs a vote"),
        ([], "needs a vote"),
    ],
)
def test_what_the_shell_cannot_vote_on_is_one_line(three, home, command, words, says):
    seen = command("-m", "ensembles.voting", *words)
    assert seen.returncode == 2, seen.stderr
    assert len(seen.stderr.strip().splitlines()) == 1
    assert says in seen.stderr
    assert not places.submissions().exists()


def test_an_ensemble_is_a_member_of_another(three, ensembles):
    ensembles("inner", 'inner = soft(run("k/a"), run("k/b"))\n')
    ensembles("outer", 'outer = hard(2 * ensemble("inner"), run("k/c"))\n')
    expected = hard(2 * soft(*three[:2]), three[2])
    np.testing.assert_array_equal(ensemble("outer").probs("test"), expected.probs("test"))
    assert str(ensemble("outer")) == str(expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('bad = soft(bad, run("k/a"))\n', "line 2: name 'bad' is not defined"),
        ('bad = soft(run("k/a")\n', "line 2: '\\(' was never closed"),
        ('bad = ensemble("bad")\n', "the vote bad contains itself: bad -> bad"),
        ('good = run("k/a")\n', "must give its vote the name bad"),
        ('bad = soft(run("k/a"), [])\n', "not over \\[\\]"),
        ("import nothing_such\n", "line 2: No module named"),
    ],
)
def test_an_ensemble_file_that_cannot_be_a_vote_is_named_with_its_line(ensembles, text, says):
    ensembles("bad", text)
    with pytest.raises(Refusal, match=says):
        ensemble("bad")


def test_a_circle_of_ensembles_is_shown(ensembles):
    ensembles("one", 'one = soft(ensemble("two"))\n')
    ensembles("two", 'two = soft(ensemble("three"))\n')
    ensembles("three", 'three = soft(ensemble("one"))\n')
    with pytest.raises(Refusal, match="the vote one contains itself: one -> two -> three -> one"):
        ensemble("one")


def test_a_broken_ensemble_ends_in_one_line_on_the_real_command_line(home, tmp_path):
    project = tmp_path / "project"
    for part in ("core", "ensembles"):
        shutil.copytree(PROJECT / part, project / part)
    (project / "ensembles/bad.py").write_text("bad = (\n")
    words = [sys.executable, "-m", "ensembles.voting", "bad"]
    seen = subprocess.run(
        words, cwd=project, env={**os.environ, "PYTHONPATH": str(project)}, capture_output=True, text=True
    )
    assert seen.returncode == 2
    assert len(seen.stderr.strip().splitlines()) == 1
    assert "ensembles/bad.py line 1: '(' was never closed" in seen.stderr


@pytest.mark.parametrize("path", sorted(PROJECT.glob("ensembles/[!_]*.py")), ids=lambda path: path.stem)
def test_each_ensemble_file_is_an_expression_of_its_own_name(path):
    assert str(expression.parse(str(ensemble(path.stem)), WORDS)) == str(ensemble(path.stem))


def test_a_file_may_submit_twice(three, home, monkeypatch):
    monkeypatch.setattr("sys.argv", ["folds.py"])
    submit("ensembles/folds.py", three[0])
    submit("folds_best", three[1])
    assert submission.names() == ["folds", "folds_best"]


def test_a_submission_that_was_changed_by_hand_is_refused(three, home):
    path = submission.write("mine", soft(*three))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].rpartition(",")[0] + ",19", *lines[2:]]) + "\n")
    with pytest.raises(Refusal, match="write it again with --force"):
        submission.load("mine")
    with pytest.raises(Refusal, match=r"yours: is no submission in .*; there are mine"):
        submission.load("yours")


def test_a_run_made_again_is_read_again(three):
    before = three[0].probs("test")
    make("k/a", 77)
    assert not np.array_equal(three[0].probs("test"), before)


def test_rows_outlive_the_members(three, home):
    submission.write("mine", soft(three[0]))
    shutil.rmtree(places.runs() / "k/a")
    rows = submission.load("mine").rows()
    assert rows is not None
    assert len(rows) == len(submission.load("mine").oof)
    shutil.rmtree(places.runs())
    assert submission.load("mine").rows() is None


def test_paired_differences():
    rng = np.random.default_rng(3)
    true = rng.integers(0, 18, 700)
    people = np.repeat(np.arange(100), 7).astype(str)
    noisy = np.where(rng.random(700) < 0.3, rng.integers(0, 18, 700), true)
    same = score.paired(true, noisy, noisy, people)
    assert (same["difference"], same["low"], same["high"], same["better"]) == (0, 0, 0, 0.5)
    assert listing.verdict(same["better"]) == "can't tell"
    ahead = score.paired(true, true, noisy, people)
    behind = score.paired(true, noisy, true, people)
    assert ahead["difference"] == -behind["difference"] == 1 - score.macro_f1(true, noisy)
    assert (ahead["better"], behind["better"]) == (1, 0)
    assert listing.verdict(ahead["better"]).startswith("better with")
    assert listing.verdict(behind["better"]).startswith("worse with")
    some = np.where(np.arange(700) < 350, -1, noisy)
    assert score.paired(true, true, some, people)["people"] == 50


def test_the_leaderboard_keeps_what_it_was_told(three, home, command):
    submission.write("mine", soft(*three))
    submission.write("yours", three[0])
    assert (
        command("-m", "submissions.compare.leaderboard", "mine", "--public-f1", "0.7861", "--note", "a, b").returncode
        == 0
    )
    assert command("-m", "submissions.compare.leaderboard", "yours", "--public-acc", "0.8").returncode == 0
    assert command("-m", "submissions.compare.leaderboard", "mine", "--private-f1", "0.7729").returncode == 0
    found = leaderboard.read()
    assert list(found) == ["mine", "yours"]
    assert (found["mine"]["public_f1"], found["mine"]["private_f1"], found["mine"]["note"]) == (
        "0.7861",
        "0.7729",
        "a, b",
    )
    assert found["mine"]["date"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["mine", "--public-f1", "78.61"], "--public-f1 78.61: must be between 0 and 1"),
        (["mine", "--public-f1", "nan"], "must be a number"),
        (["mine", "--date", "yesterday", "--note", "x"], "must be YYYY-MM-DD"),
        (["mine"], "nothing to write down of mine"),
        (["other", "--public-f1", "0.5"], "other: is no submission"),
    ],
)
def test_a_score_that_is_none_is_not_written_down(three, home, command, words, says):
    submission.write("mine", soft(*three))
    seen = command("-m", "submissions.compare.leaderboard", *words)
    assert seen.returncode == 2
    assert len(seen.stderr.strip().splitlines()) == 1
    assert says in seen.stderr
    assert not leaderboard.path().exists()


def test_a_leaderboard_that_was_kept_badly_is_named(three, home):
    places.submissions().mkdir()
    for text, says in (
        ("name,public_f1\nmine,0.5\n", "has no column public_acc"),
        (f"{','.join(leaderboard.COLUMNS)}\nmine,0.5,,,,,\nmine,0.6,,,,,\n", "names mine twice"),
        (f"{','.join(leaderboard.COLUMNS)}\nmine,high,,,,,\n", "mine --public-f1 high"),
    ):
        leaderboard.path().write_text(text)
        with pytest.raises(Refusal, match=says):
            leaderboard.read()
    leaderboard.path().write_text(",".join(leaderboard.COLUMNS) + "\n")
    assert leaderboard.read() == {}


def test_the_json_says_all_that_made_it(three, home):
    told = json.loads(submission.write("mine", hard(2 * soft(*three[:2]), three[2])).with_suffix(".json").read_text())
    assert told["tree"]["vote"] == "hard"
    assert [member["weight"] for member in told["tree"]["members"]] == [2, 1]
    assert len(told["tree"]["oof"]["macro_f1"]) == 3
    assert told["members"]["k/a"]["sha256"]["oof.npy"] == disk.digest(places.runs() / "k/a/oof.npy")
    assert sum(told["class_counts"]) == 21
