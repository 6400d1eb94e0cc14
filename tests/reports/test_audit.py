"""The audit ranks wrong labels first, and its fixes.csv corrects them and no others."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest

from core import disk, labels, places
from core.data import competition, fixes
from core.reports import audit
from core.runs import reader
from tests.conftest import tiny
from tests.fabricated import finish, predictions, rows

HEADER = "path,column,value,probability\n"


@pytest.fixture(scope="module")
def mislabelled(data_dir, tmp_path_factory):
    """A competition with three wrong labels: its folder, training rows and true labels, and the person by column."""
    root = shutil.copytree(data_dir, tmp_path_factory.mktemp("mislabelled") / "competition")
    frame = competition.load(root, "none").train.frame
    woman, young, swapped = (
        frame["person"][wanted].iloc[index]
        for wanted, index in ((frame["gender"] == 1, 0), (frame["age"] < 30, -1), (frame["age"] >= 60, 0))
    )
    table = pd.read_csv(root / "train/train.csv", dtype=str).set_index("path", drop=False)
    table.loc[woman, "gender"] = "male"
    table.loc[young, "age"] = "61"
    table.to_csv(root / "train/train.csv", index=False)
    one, other = (next((root / "train/images" / swapped).glob(f"{stem}.*")) for stem in ("incorrect_mask", "normal"))
    bytes_ = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(bytes_)
    mask, gender, age = labels.split(frame["label"].to_numpy())
    crossed = (frame["person"] == swapped).to_numpy() & (mask > 0)
    true = labels.label(np.where(crossed, 3 - mask, mask), gender, age)
    return root, competition.load(root, "none").train.frame, true, {"gender": woman, "age": young, "mask": swapped}


def written(name: str) -> list[dict[str, str]]:
    with open(places.runs() / name / "audit/fixes.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_wrong_labels_are_ranked_first_and_the_file_corrects_exactly_them(mislabelled, home, command):
    root, frame, true, people = mislabelled
    finish("k/audited", frame, predictions(true, 0.97))
    done = command("-m", "core.reports.audit", "k/audited", "--data", root)
    assert done.returncode == 0, done.stderr
    ranked = pd.read_csv(home / "runs/k/audited/audit/images.csv")
    wrong = true != frame["label"].to_numpy()
    assert len(ranked) == len(frame)
    assert set(ranked["file"].head(wrong.sum())) == set(frame["file"][wrong])
    assert ranked["label_error"].head(wrong.sum()).min() > 0.9 > 0.1 > ranked["label_error"].tail((~wrong).sum()).max()
    assert ranked["label_error"].is_monotonic_decreasing
    for task, person in people.items():
        images = ranked[(ranked["person"] == person) & (ranked["true"] != ranked["predicted"])]
        assert (images[f"{task}_error"] > 0.9).all()
        assert not (images[[f"{other}_error" for other in labels.TASKS if other != task]] > 0.1).any(axis=None)
    assert {row["column"]: (row["path"], row["value"]) for row in written("k/audited")} == {
        "gender": (people["gender"], "female"),
        "age": (people["age"], "29"),
        "mask": (people["mask"], "swap"),
    }
    fixed = competition.load(root, str(home / "runs/k/audited/audit/fixes.csv"))
    np.testing.assert_array_equal(fixed.train.column("label"), true)
    assert (home / "runs/k/audited/audit/sheet.png").read_bytes().startswith(b"\x89PNG")
    assert done.stdout.splitlines()[1].split()[0].startswith("0.9")
    assert "proposes 1 of gender, 1 of age, 1 of mask; keeps 0" in done.stdout


def test_a_kernel_trains_with_the_file(mislabelled, home, command):
    root, frame, true, _ = mislabelled
    finish("k/audited", frame, predictions(true, 0.97))
    audit.audit("k/audited", audit.Options(data=str(root)))
    file = home / "runs/k/audited/audit/fixes.csv"
    done = command(
        "kernels/v5_multitask/run.py", *tiny(root, "--fix-labels", str(file), "--folds", "1", "--name", "fixed")
    )
    assert done.returncode == 0, done.stderr
    fixed = reader.load("v5_multitask/fixed")
    np.testing.assert_array_equal(fixed.rows["label"], true)
    assert sum(note.startswith(fixes.NOTE) for note in fixed.manifest["notes"]) == 3
    # an audit of this run keeps the fixes in its file, so that the labels stay corrected
    finish("k/again", fixed.rows, predictions(true, 0.97), notes=fixed.manifest["notes"])
    audit.audit("k/again", audit.Options(data=str(root)))
    np.testing.assert_array_equal(
        competition.load(root, str(home / "runs/k/again/audit/fixes.csv")).train.column("label"), true
    )


def test_without_probable_errors_the_file_has_its_header_alone(data_dir, home, capsys):
    table = competition.load(data_dir, "none")
    finish("k/right", table.train.frame, predictions(table.train.column("label")))
    audit.audit("k/right", audit.Options(data=str(data_dir)))
    file = places.runs() / "k/right/audit/fixes.csv"
    assert file.read_text() == HEADER
    again = competition.load(data_dir, str(file))
    assert again.digests() == table.digests()
    assert not any(note.startswith(fixes.NOTE) for note in again.notes)
    assert "proposes 0 of gender, 0 of age, 0 of mask; keeps 0" in capsys.readouterr().out


def test_without_photographs_the_tables_are_written_and_an_old_sheet_is_removed(data_dir, home, capsys, tmp_path):
    table = competition.load(data_dir, "none")
    finish("k/right", table.train.frame, predictions(table.train.column("label")))
    audit.audit("k/right", audit.Options(data=str(data_dir)))
    folder = places.runs() / "k/right/audit"
    assert sorted(path.name for path in folder.iterdir()) == ["fixes.csv", "images.csv", "sheet.png"]
    audit.audit("k/right", audit.Options(data=str(tmp_path / "nowhere")))
    assert sorted(path.name for path in folder.iterdir()) == ["fixes.csv", "images.csv"]
    assert "no sheet.png" in capsys.readouterr().out


def test_unusual_names_and_rows_that_no_fold_held_out(home, tmp_path):
    frame = rows(3).replace({"person": {"p0": "0012", "p1": 'an "odd", name', "p2": "unseen"}})
    other = labels.label(frame["mask"], 1 - frame["gender"], labels.age_group(frame["age"])).to_numpy()
    oof = predictions(other, 0.95)
    oof[14:] = np.nan
    finish("k/odd", frame, oof)
    audit.audit("k/odd", audit.Options(data=str(tmp_path)))
    assert sorted(row["path"] for row in written("k/odd")) == ["0012", 'an "odd", name']
    fixed, notes = fixes.apply(frame, str(places.runs() / "k/odd/audit/fixes.csv"))
    assert len(notes) == 2
    np.testing.assert_array_equal(fixed["gender"][:14], 1 - frame["gender"][:14])


def test_refusals(home, command, tmp_path):
    frame = rows(2)
    finish("k/a", frame, predictions(frame["label"].to_numpy()))
    disk.write_array(places.runs() / "k/a/oof.npy", predictions(np.zeros(14, int)))
    for words, message in (
        ([], "needs a run"),
        (["--threshold", "0.9"], "needs a run"),
        (["k/none"], "k/none: is no run"),
        (["k/a"], "k/a: oof.npy is not as the run left it"),
        (["k/a", "--threshold", "0.3"], "--threshold 0.3: must be between 0.5 and 1"),
        (["k/a", "--treshold", "0.9"], "did you mean --threshold?"),
    ):
        done = command("-m", "core.reports.audit", *words)
        assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (2, "", 1), done.stderr
        assert message in done.stderr
    assert not (places.runs() / "k/a/audit").exists()
