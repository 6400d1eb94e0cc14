"""The audit finds the labels that are wrong and nothing else, and its file sets them right."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import disk, labels, places
from core.data import competition, fixes
from core.reports import audit, label_errors
from core.reports.label_errors import Fix
from core.runs import reader
from tests.conftest import tiny
from tests.fabricated import finish, rows, says

HEADER = "path,column,value,doubt\n"


@pytest.fixture(scope="module")
def harmed(data_dir, tmp_path_factory):
    """A competition with three wrong labels, its folder and table; the true labels; the people, by what is wrong."""
    root = shutil.copytree(data_dir, tmp_path_factory.mktemp("harmed") / "competition")
    frame = competition.load(root, "none").train.frame
    woman, young, swapped = (
        frame["person"][wanted].iloc[at]
        for wanted, at in ((frame["gender"] == 1, 0), (frame["age"] < 30, -1), (frame["age"] >= 60, 0))
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
    truth = labels.label(np.where(crossed, 3 - mask, mask), gender, age)
    return root, competition.load(root, "none").train.frame, truth, {"gender": woman, "age": young, "mask": swapped}


def written(name: str) -> list[dict[str, str]]:
    with open(places.runs() / name / "audit/fixes.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_wrong_labels_come_first_and_the_file_sets_exactly_them_right(harmed, home, command):
    root, frame, truth, people = harmed
    finish("k/audited", frame, says(truth, 0.97))
    done = command("-m", "core.reports.audit", "k/audited", "--data", root)
    assert done.returncode == 0, done.stderr
    ranked = pd.read_csv(home / "runs/k/audited/audit/images.csv")
    wrong = truth != frame["label"].to_numpy()
    assert len(ranked) == len(frame)
    assert set(ranked["file"].head(wrong.sum())) == set(frame["file"][wrong])
    assert ranked["doubt"].head(wrong.sum()).min() > 0.9 > 0.1 > ranked["doubt"].tail((~wrong).sum()).max()
    assert ranked["doubt"].is_monotonic_decreasing
    for task, person in people.items():
        mine = ranked[(ranked["person"] == person) & (ranked["true"] != ranked["said"])]
        assert (mine[f"doubt_{task}"] > 0.9).all()
        assert not (mine[[f"doubt_{other}" for other in labels.TASKS if other != task]] > 0.1).any(axis=None)
    found = {row["column"]: (row["path"], row["value"]) for row in written("k/audited")}
    assert found == {
        "gender": (people["gender"], "female"),
        "age": (people["age"], "29"),
        "mask": (people["mask"], "swap"),
    }
    mended = competition.load(root, str(home / "runs/k/audited/audit/fixes.csv"))
    np.testing.assert_array_equal(mended.train.column("label"), truth)
    assert (home / "runs/k/audited/audit/sheet.png").read_bytes().startswith(b"\x89PNG")
    assert done.stdout.splitlines()[1].split()[0].startswith("0.9")
    assert "proposes 1 of gender, 1 of age, 1 of mask; keeps 0" in done.stdout


def test_a_kernel_trains_with_the_file(harmed, home, command):
    root, frame, truth, _ = harmed
    finish("k/audited", frame, says(truth, 0.97))
    audit.audit("k/audited", audit.Options(data=str(root)))
    file = home / "runs/k/audited/audit/fixes.csv"
    done = command(
        "kernels/v5_multitask/run.py", *tiny(root, "--fix-labels", str(file), "--folds", "1", "--name", "mended")
    )
    assert done.returncode == 0, done.stderr
    mended = reader.load("v5_multitask/mended")
    np.testing.assert_array_equal(mended.rows["label"], truth)
    assert sum(note.startswith(label_errors.FIX) for note in mended.manifest["notes"]) == 3
    # the labels are right, and stay so in the file that an audit of this run writes
    finish("k/again", mended.rows, says(truth, 0.97), notes=mended.manifest["notes"])
    audit.audit("k/again", audit.Options(data=str(root)))
    np.testing.assert_array_equal(
        competition.load(root, str(home / "runs/k/again/audit/fixes.csv")).train.column("label"), truth
    )


def test_where_nothing_is_doubted_the_file_has_its_header_alone(data_dir, home, capsys):
    table = competition.load(data_dir, "none")
    finish("k/sure", table.train.frame, says(table.train.column("label")))
    audit.audit("k/sure", audit.Options(data=str(data_dir)))
    file = places.runs() / "k/sure/audit/fixes.csv"
    assert file.read_text() == HEADER
    again = competition.load(data_dir, str(file))
    assert again.digests() == table.digests()
    assert not any(note.startswith(label_errors.FIX) for note in again.notes)
    assert "proposes 0 of gender, 0 of age, 0 of mask; keeps 0" in capsys.readouterr().out


def test_without_photographs_the_tables_are_written_and_an_old_sheet_goes(data_dir, home, capsys, tmp_path):
    table = competition.load(data_dir, "none")
    finish("k/sure", table.train.frame, says(table.train.column("label")))
    audit.audit("k/sure", audit.Options(data=str(data_dir)))
    folder = places.runs() / "k/sure/audit"
    assert sorted(path.name for path in folder.iterdir()) == ["fixes.csv", "images.csv", "sheet.png"]
    audit.audit("k/sure", audit.Options(data=str(tmp_path / "nowhere")))
    assert sorted(path.name for path in folder.iterdir()) == ["fixes.csv", "images.csv"]
    assert "no sheet.png" in capsys.readouterr().out


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_wrong_is_set_right_and_then_nothing_is_left_to_propose(tmp_path_factory, seed):
    told, true = rows(12, seed), rows(12, seed + 1)
    crossed = np.random.default_rng(seed).random(12)[np.arange(len(told)) // 7] < 0.5
    mask = np.where(crossed & (told["mask"] > 0), 3 - told["mask"], told["mask"])
    truth = labels.label(mask, true["gender"], labels.age_group(true["age"])).to_numpy()
    probs = says(truth, 0.95).astype(float)
    file = tmp_path_factory.mktemp("fixes") / "fixes.csv"
    audit._write_fixes(file, label_errors.propose(told, probs, 0.9))
    mended, _ = fixes.apply(told, str(file))
    mended["label"] = labels.label(mended["mask"], mended["gender"], labels.age_group(mended["age"]))
    np.testing.assert_array_equal(mended["label"], truth)
    assert label_errors.propose(mended, probs, 0.9) == []


def one_person(age: int, mask: tuple[int, ...] = (0, 0), gender: int = 0) -> pd.DataFrame:
    frame = pd.DataFrame({"person": "p", "age": age, "mask": mask, "gender": gender})
    return frame.assign(label=labels.label(frame["mask"], frame["gender"], labels.age_group(frame["age"])))


def proposed(frame, said, sure=0.9, **taught):
    return [fix[:3] for fix in label_errors.propose(frame, said, sure, **taught)]


@pytest.mark.parametrize(
    ("age", "group", "becomes"),
    [(25, 1, "30"), (25, 2, "60"), (45, 0, "29"), (45, 2, "60"), (66, 1, "59"), (60, 0, "29")],
)
def test_an_age_becomes_the_nearest_of_the_group_that_is_said(age, group, becomes):
    said = says(labels.label(np.zeros(2, int), 0, group), 0.95).astype(float)
    assert proposed(one_person(age), said) == [("p", "age", becomes)]


def test_a_run_is_not_heard_where_it_says_what_it_was_taught():
    old, young = (says(labels.label(np.zeros(2, int), 0, group), 0.95).astype(float) for group in (2, 0))
    person = one_person(58)
    assert proposed(person, old) == [("p", "age", "60")]
    assert proposed(person, old, old=58) == []
    assert label_errors.doubted(person, old, old=58)["doubt"].max() < 0.05
    assert label_errors.doubted(person, old)["doubt_age"].min() > 0.9
    assert proposed(person, young, old=58) == [("p", "age", "29")]
    assert proposed(one_person(57), old, old=58) == [("p", "age", "60")]


def test_the_mean_over_the_images_must_be_sure():
    person = one_person(20, mask=(0, 0, 0))
    other = labels.label(np.zeros(3, int), 1, 0)
    said = says(other, 0.99).astype(float)
    said[0] = says(other, 0.6)[0]
    mean = labels.marginals(said)[1][:, 1].mean()
    assert proposed(person, said, sure=mean - 1e-6) == [("p", "gender", "female")]
    assert proposed(person, said, sure=mean + 1e-6) == []


def test_only_images_that_are_each_said_to_be_the_other_are_swapped():
    def said(*mask):
        return says(labels.label(np.array(mask), 0, 0), 0.95).astype(float)

    both = one_person(20, mask=(0, 1, 2))
    assert proposed(both, said(0, 2, 1)) == [("p", "mask", "swap")]
    for wrong in ((0, 2, 2), (0, 1, 1), (1, 2, 0), (0, 0, 0)):
        assert proposed(both, said(*wrong)) == []
    assert proposed(one_person(20, mask=(0, 1)), said(0, 2)) == []
    one_sided = said(0, 2, 1)
    one_sided[2] = 0.7 * said(0, 0, 2)[2] + 0.3 * one_sided[2]
    assert labels.marginals(one_sided)[0][[1, 2], [2, 1]].mean() > 0.6
    assert proposed(both, one_sided, sure=0.6) == []


def test_what_the_run_was_trained_with_is_kept_unless_it_is_doubted():
    notes = ["not a fix", "label fix: a b gender male", "label fix: c mask swap", "label fix: d age 30"]
    kept = [Fix("a b", "gender", "male", None), Fix("c", "mask", "swap", None), Fix("d", "age", "30", None)]
    assert label_errors.joined(notes, []) == kept
    asked = [Fix("c", "mask", "swap", 0.95), Fix("d", "age", "60", 0.94), Fix("e", "mask", "swap", 0.93)]
    assert label_errors.joined(notes, asked) == [*asked[1:], kept[0]]


def test_odd_names_and_rows_that_no_fold_held(home, tmp_path):
    frame = rows(3).replace({"person": {"p0": "0012", "p1": 'an "odd", name', "p2": "unseen"}})
    oof = says(labels.label(frame["mask"], 1 - frame["gender"], labels.age_group(frame["age"])).to_numpy(), 0.95)
    oof[14:] = np.nan
    finish("k/odd", frame, oof)
    audit.audit("k/odd", audit.Options(data=str(tmp_path)))
    assert sorted(row["path"] for row in written("k/odd")) == ["0012", 'an "odd", name']
    mended, told = fixes.apply(frame, str(places.runs() / "k/odd/audit/fixes.csv"))
    assert len(told) == 2
    np.testing.assert_array_equal(mended["gender"][:14], 1 - frame["gender"][:14])


def test_refusals(home, command, tmp_path):
    frame = rows(2)
    finish("k/a", frame, says(frame["label"].to_numpy()))
    disk.write_array(places.runs() / "k/a/oof.npy", says(np.zeros(14, int)))
    for words, says_ in (
        ([], "needs a run"),
        (["--sure", "0.9"], "needs a run"),
        (["k/none"], "k/none: is no run"),
        (["k/a"], "k/a: oof.npy is not as the run left it"),
        (["k/a", "--sure", "0.3"], "--sure 0.3: must be between 0.5 and 1"),
        (["k/a", "--sur", "0.9"], "did you mean --sure?"),
    ):
        done = command("-m", "core.reports.audit", *words)
        assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (2, "", 1), done.stderr
        assert says_ in done.stderr
    assert not (places.runs() / "k/a/audit").exists()
