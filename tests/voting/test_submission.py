"""Submissions on disk: written once, checked, and read again."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from core import disk, places
from core.refusal import Refusal
from ensembles.voting import hard, run, soft, submission
from tests.voting.random_runs import random_run


def test_a_submission_keeps_the_order_and_is_not_replaced_without_force(three, capsys):
    path = submission.write("first", soft(*three))
    frame = pd.read_csv(path)
    assert frame["ImageID"].tolist() == [f"t{k}.jpg" for k in range(21)]
    assert frame["ans"].tolist() == soft(*three).probs("test").argmax(1).tolist()
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert [member["vote"] for member in manifest["tree"]["members"]] == ['run("k/a")', 'run("k/b")', 'run("k/c")']
    assert manifest["tree"]["oof"]["people"] == 3
    assert capsys.readouterr().out.count("macro F1") == 4
    with pytest.raises(Refusal, match="--force"):
        submission.write("first", soft(*three))
    submission.write("first", three[0], force=True)


def test_the_json_holds_the_tree_and_the_digests_of_the_runs(three):
    path = submission.write("first", hard(2 * soft(*three[:2]), three[2])).with_suffix(".json")
    manifest = json.loads(path.read_text())
    assert manifest["tree"]["vote"] == "hard"
    assert [member["weight"] for member in manifest["tree"]["members"]] == [2, 1]
    assert len(manifest["tree"]["oof"]["macro_f1"]) == 3
    assert manifest["members"]["k/a"]["sha256"]["oof.npy"] == disk.digest(places.runs() / "k/a/oof.npy")
    assert sum(manifest["class_counts"]) == 21


def test_answers_that_were_exchanged_and_a_json_that_was_changed_are_noticed(three):
    path = submission.write("first", soft(*three))
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")  # another order is the same submission
    assert len(submission.load("first").ids) == 21
    answers = [line.split(",") for line in lines]
    one, other = next((a, b) for a in answers for b in answers if a[1] != b[1])
    one[1], other[1] = other[1], one[1]
    path.write_text("\n".join([header, *map(",".join, answers)]) + "\n")
    with pytest.raises(Refusal, match="the CSV has other answers than the JSON tells of"):
        submission.load("first")
    path = submission.write("second", soft(*three))
    about = path.with_suffix(".json")
    about.write_text(about.read_text().replace('"weight": 1', '"weight": 2', 1))
    with pytest.raises(Refusal, match="the JSON is not as it was written"):
        submission.load("second")


def test_rows_that_a_member_did_not_hold_out_are_not_scored(three, capsys):
    random_run("k/hole", 5, hole=True)
    vote = soft(three[0], run("k/hole"))
    covered = ~np.isnan(vote.probs("oof")[:, 0])
    assert covered.tolist() == [False] * 7 + [True] * 14
    submission.write("hole", vote)
    assert "no score" in capsys.readouterr().out
    assert submission.load("hole").oof.tolist()[:7] == [-1] * 7


def test_an_answer_that_is_no_class_is_refused():
    for ids, answers in ((["a", "a"], [0, 1]), (["a"], [18]), (["a", "b"], [0])):
        with pytest.raises(Refusal, match="each test image once"):
            submission.csv_text(ids, np.array(answers))


def test_a_csv_that_was_changed_by_hand_is_refused(three):
    path = submission.write("first", soft(*three))
    lines = path.read_text().splitlines()
    image, answer = lines[1].split(",")
    path.write_text("\n".join([lines[0], f"{image},{(int(answer) + 1) % 18}", *lines[2:]]) + "\n")
    with pytest.raises(Refusal, match="write it again with --force"):
        submission.load("first")
    with pytest.raises(Refusal, match=r"second: is no submission in .*; there are first"):
        submission.load("second")


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: "{",
        lambda manifest: "[" * 100_000,
        lambda manifest: "[]",
        lambda manifest: "7",
        lambda manifest: "{}",
        *(lambda manifest, key=key: {**manifest, key: None} for key in ("tree", "oof", "rows", "class_counts")),
        lambda manifest: {**manifest, "oof": "a\nz"},
        lambda manifest: {**manifest, "tree": {**manifest["tree"], "members": [7]}},
        lambda manifest: {**manifest, "tree": {**manifest["tree"], "members": 7}},
        lambda manifest: {key: value for key, value in manifest.items() if key != "labels"},
    ],
)
def test_a_damaged_json_is_refused_in_one_line(three, change):
    path = submission.write("first", soft(*three)).with_suffix(".json")
    text = change(json.loads(path.read_text()))
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    with pytest.raises(Refusal, match=r"first\.csv: does not match its \.json \(.+\); write it again") as refused:
        submission.load("first")
    assert "\n" not in str(refused.value)


def test_the_rows_come_from_any_run_of_the_data_set(three):
    submission.write("first", soft(three[0]))
    shutil.rmtree(places.runs() / "k/a")
    (places.runs() / "k/b/run.json").write_text('{"sha256": {}, "classes": [], "scores": null}')
    rows = submission.load("first").rows()
    assert rows is not None
    assert len(rows) == len(submission.load("first").oof)
    shutil.rmtree(places.runs())
    assert submission.load("first").rows() is None
