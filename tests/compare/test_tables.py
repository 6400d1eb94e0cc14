"""The tables in the terminal, from the real command line."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core import labels, places
from ensembles.voting import submission
from submissions.compare.comparison import load_comparisons
from tests.compare.fabricated import COMPARE, fabricate, predictions, true_classes
from tests.conftest import PROJECT


def test_the_command_prints_every_table(three, command):
    command("-m", "submissions.compare.leaderboard", "good", "--public-f1", "0.7861")
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    head = next(line for line in done.stdout.splitlines() if "submission" in line)
    for column in ("macro F1 [95 %]", "accuracy [95 %]", *labels.TASKS, "public F1"):
        assert column in head
    assert "private" not in head
    assert re.search(r"1 +good .* 0\.7861$", done.stdout, re.M)
    assert "Predicted class counts on the 140 test images, and the counts expected" in done.stdout
    for name in labels.CLASSES:
        assert re.search(rf"^{re.escape(name)}( +\d+){{4}}$", done.stdout, re.M)
    assert re.search(r"^good +against +fair +\+0\.\d{4} .*better with over 99 %  \(20 people\)$", done.stdout, re.M)
    assert "no data folder: give --data DIR" in done.stdout or "does not have the images" in done.stdout


def test_a_score_over_fewer_rows_is_marked(home, command):
    """150 of 160 people, then two folds without a row in common."""
    rows = 160 * 7
    most = np.where(np.arange(rows) < 150 * 7, predictions(0.7, 1, rows), -1)
    rest = np.where(np.arange(rows) < 150 * 7, -1, predictions(0.8, 1, rows))
    for name, oof in (("complete", predictions(0.8, 1, rows)), ("most", most), ("rest", rest)):
        submission.write(name, fabricate(f"k/{name}", oof, true_classes(70)))
    (comparison,) = load_comparisons([], home / "nowhere")
    assert [comparison.coverage(index) for index in range(3)] == ["1120", "1050 of 1120", "70 of 1120"]
    assert comparison.differences[0, 1]["people"] == 150
    assert comparison.differences[0, 2] is None
    printed = command(*COMPARE).stdout
    assert "1050 of 1120" in printed
    assert "no score: too few people held out" in printed
    assert "not known: both predict too few people" in printed


def test_two_data_sets_are_not_mixed(three, command):
    elsewhere = fabricate("k/elsewhere", predictions(0.7, 8, 70), true_classes(35), data_set="1")
    submission.write("elsewhere", elsewhere)
    comparisons = load_comparisons([], three)
    assert sorted(len(comparison.submissions) for comparison in comparisons) == [1, 3]
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert "submissions of 2 data sets: each is compared with those of its own data set only" in done.stdout
    assert not re.search(r"against +elsewhere|elsewhere +against", done.stdout)
    page = (three / "submissions/index.html").read_text()
    assert page.count('<article class="dataset"') == 2
    assert "submissions of 2 data sets" in page


def test_scores_are_shown_without_the_runs(three, command):
    shutil.rmtree(places.runs())
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert re.search(r"1 +good +0\.\d{4} \[", done.stdout)
    assert "expected counts are not known" in done.stdout
    assert "not known: the true labels are missing" in done.stdout
    assert (three / "submissions/index.html").is_file()


def test_only_the_named_submissions_are_compared(three, command):
    assert "nested" not in command(*COMPARE, "fair", "good").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["goood"], "goood: is no submission"),
        (["../good"], "../good: is no submission"),
        (["good", "--data", "/nowhere"], "--data /nowhere: there is no such folder"),
        (["good", "--dat", "x"], "did you mean --data?"),
        (["--data"], "--data"),
    ],
)
def test_a_wrong_command_ends_in_one_line(three, command, words, message):
    done = command(*COMPARE, *words)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert message in done.stderr
    assert not (three / "submissions/index.html").exists()


def test_without_submissions_the_command_says_how_to_make_one(home, command):
    done = command(*COMPARE)
    assert (done.returncode, done.stdout.count("make ensemble")) == (0, 1)
    assert not (home / "submissions").exists()


def test_the_table_is_printed_before_the_page_is_loaded(three):
    """And torch is never loaded."""
    script = (
        "import builtins, runpy, sys\n"
        "original = builtins.print\n"
        "def watched(*words, **more):\n"
        "    original(*words, **more)\n"
        "    if 'macro F1 [95 %]' in str(words):\n"
        "        original('LOADED', sorted({'plotly', 'jinja2', 'torch', 'matplotlib'} & set(sys.modules)))\n"
        "builtins.print = watched\n"
        "sys.argv = ['compare']\n"
        "runpy.run_module('submissions.compare', run_name='__main__')\n"
        "original('AFTER', 'torch' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, env=environment)
    assert "LOADED []" in done.stdout, done.stderr
    assert "AFTER False" in done.stdout
