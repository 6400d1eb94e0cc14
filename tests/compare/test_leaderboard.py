"""The scores of the leaderboard: added one after the other, checked, and read again."""

import pytest

from core import places
from core.refusal import Refusal
from submissions.compare import leaderboard
from tests.compare.fabricated import COMPARE
from tests.conftest import PROJECT

LEADERBOARD = ("-m", "submissions.compare.leaderboard")


def test_scores_are_added_one_after_the_other(three, command):
    for words in (
        ("good", "--public-f1", "0.7861", "--note", "a, b"),
        ("fair", "--public-acc", "0.8"),
        ("good", "--private-f1", "0.7729"),
    ):
        assert command(*LEADERBOARD, *words).returncode == 0
    entries = leaderboard.read()
    assert list(entries) == ["good", "fair"]
    good = entries["good"]
    assert (good["public_f1"], good["private_f1"], good["note"]) == ("0.7861", "0.7729", "a, b")
    assert good["date"]
    assert leaderboard.known_columns(entries, ["good", "nested"]) == ["public_f1", "private_f1"]
    assert leaderboard.known_columns(entries, ["nested"]) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["good", "--public-f1", "78.61"], "--public-f1 78.61: must be between 0 and 1"),
        (["good", "--public-f1", "nan"], "must be a number"),
        (["good", "--date", "yesterday", "--note", "x"], "must be YYYY-MM-DD"),
        (["good"], "nothing to add for good"),
        (["other", "--public-f1", "0.5"], "other: is no submission"),
    ],
)
def test_a_wrong_score_is_refused_in_one_line(three, command, words, message):
    done = command(*LEADERBOARD, *words)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr
    assert not leaderboard.path().exists()


def test_a_damaged_leaderboard_is_refused(home):
    places.submissions().mkdir()
    for text, message in (
        ("name,public_f1\ngood,0.5\n", "has no column public_acc"),
        (f"{','.join(leaderboard.COLUMNS)}\ngood,0.5,,,,,\ngood,0.6,,,,,\n", "names good twice"),
        (f"{','.join(leaderboard.COLUMNS)}\ngood,high,,,,,\n", "good --public-f1 high"),
    ):
        leaderboard.path().write_text(text)
        with pytest.raises(Refusal, match=message):
            leaderboard.read()
    leaderboard.path().write_text(",".join(leaderboard.COLUMNS) + "\n")
    assert leaderboard.read() == {}


def test_a_line_without_its_submission_is_reported(three, command):
    leaderboard.add("good", leaderboard.Options(public_f1="0.5"))
    for ending in ("csv", "json"):
        (places.submissions() / f"good.{ending}").unlink()
    said = command(*COMPARE).stdout
    assert "leaderboard.csv also has, without a submission here:\n  good: public f1 0.5" in said.replace("F1", "f1")
    assert "good: public f1 0.5" in (places.submissions() / "index.html").read_text().replace("F1", "f1")


def test_the_leaderboard_here_starts_with_what_the_report_got(monkeypatch):
    monkeypatch.setenv("SUBMISSIONS", str(PROJECT / "submissions"))
    name, entry = next(iter(leaderboard.read().items()))
    assert name == "report"
    assert [entry[column] for column in leaderboard.SCORES] == ["0.7861", "0.8256", "0.7729", "0.8190"]
