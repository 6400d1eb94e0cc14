import shutil
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from core.data import competition, fixes, folds
from core.data.table import Rows
from core.refusal import Refusal


@pytest.fixture
def copy(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "copy")


def edit(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def first_person(root):
    return sorted((root / "train/images").iterdir())[0]


def test_rows_are_true_to_the_folder(data_dir):
    table = competition.load(data_dir)
    assert len(table.train) == 24 * 7
    assert table.notes == []
    for row in table.train.frame.itertuples():
        _, gender, _, age = row.person.split("_")
        state = {"mask": 0, "inco": 1, "norm": 2}[row.file.split("/")[-1][:4]]
        assert row.label == state * 6 + (gender == "female") * 3 + (int(age) >= 30) + (int(age) >= 60)
    asked = (data_dir / "eval/info.csv").read_text().split()[1:]
    assert table.test.column("ImageID").tolist() == [line.partition(",")[0] for line in asked]


def test_ids_stay_text_and_the_path_is_the_key(copy):
    person = first_person(copy)
    twin = person.with_name("003397-1_male_Asian_23")
    shutil.copytree(person, twin)
    with open(copy / "train/train.csv", "a") as file:
        file.write(f"003397-1,male,Asian,23,{twin.name}\n")
    assert twin.name in competition.load(copy).train.column("person")


def test_hidden_files_and_any_ending_in_any_case(copy):
    person = first_person(copy)
    (person / "._normal.jpg").write_bytes(b"junk")
    (person / ".ipynb_checkpoints").mkdir()
    (person / "notes.txt").write_text("not an image")
    normal = next(person.glob("normal.*"))
    normal.rename(normal.with_suffix(".JPEG"))
    table = competition.load(copy)
    assert len(table.train) == 24 * 7
    assert table.notes == [f"not exactly the seven files, used as they are: {person.name} (7, not used: notes.txt)"]


def test_a_link_to_nothing_and_other_endings_are_told(copy):
    person = first_person(copy)
    normal = next(person.glob("normal.*"))
    normal.unlink()
    normal.symlink_to("nowhere.jpg")
    (person / "mask1.webp").write_bytes(b"")
    (note,) = competition.load(copy).notes
    assert note.endswith(f"{person.name} (6, not used: mask1.webp, {normal.name} (a link to nothing))")


def test_what_no_row_names_is_told(copy):
    for file, people in (("train/train.csv", 9), ("eval/info.csv", 20)):
        lines = (copy / file).read_text().splitlines()
        (copy / file).write_text("\n".join(lines[: people + 1]) + "\n")
    train, test = competition.load(copy).notes
    assert train.startswith("in train/images and not in train.csv, not used: 15 (")
    assert train.endswith(" …)")
    assert test.startswith("in eval/images and not in info.csv, not used: 22 (")


def test_a_folder_whose_name_says_otherwise_is_told(copy):
    person = first_person(copy).name
    age = person.rpartition("_")[2]
    edit(copy / "train/train.csv", f"{age},{person}", f"{int(age) + 30},{person}")
    (note,) = competition.load(copy).notes
    assert f"which is used: 1 ({person} (train.csv has " in note


def test_names_are_matched_in_either_unicode_form_and_without_spaces(copy):
    person, image = first_person(copy), sorted((copy / "eval/images").iterdir())[0]
    composed, apart = (unicodedata.normalize(form, "홍길동") for form in ("NFC", "NFD"))
    person.rename(person.with_name(apart))
    image.rename(image.with_name(f"{apart}.jpg"))
    edit(copy / "train/train.csv", person.name, f"{composed} ")
    edit(copy / "eval/info.csv", image.name, f"{composed}.jpg ")
    table = competition.load(copy)
    assert table.notes == []
    assert composed in table.train.column("person")
    assert f"{composed}.jpg" in table.test.column("ImageID")
    assert all((copy / file).is_file() for rows in (table.train, table.test) for file in rows.column("file"))
    shutil.rmtree(person.with_name(apart))
    with pytest.raises(Refusal, match=f"{composed}': is named in train.csv and is not there"):
        competition.load(copy)


def test_a_table_in_another_encoding_is_refused_with_the_way_out(copy):
    table = copy / "train/train.csv"
    head, *rows = table.read_text().splitlines()
    text = "\n".join([f"{head},비고", *(f"{row},확인" for row in rows)])
    table.write_bytes(text.encode("cp949"))
    with pytest.raises(Refusal, match=r"train.csv: is not UTF-8 text \(byte 0xba\); save it as UTF-8"):
        competition.load(copy)
    table.write_bytes(text.encode("utf-8-sig"))
    assert len(competition.load(copy).train) == 24 * 7


def test_a_missing_image_is_used_for_what_is_there_and_told(copy):
    person = first_person(copy)
    next(person.glob("mask3.*")).unlink()
    table = competition.load(copy)
    assert len(table.train) == 24 * 7 - 1
    assert person.name in table.notes[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("train/train.csv", "path", "folder", "no column path"),
        ("train/train.csv", ",female,", ",woman,", "gender 'woman'"),
        ("train/train.csv", "Asian,", "Asian,x", "age 'x"),
        ("train/train.csv", "Asian,", "Asian,9", "up to 120"),
        ("train/train.csv", "Asian,", "Asian,-", "age '-"),
        ("eval/info.csv", "ImageID,ans", "ImageID,ans\n,0", "no ImageID"),
        ("eval/info.csv", "ImageID", "id", "no column ImageID"),
    ],
)
def test_a_wrong_table_is_refused_by_name(copy, file, old, new, says):
    edit(copy / file, old, new)
    with pytest.raises(Refusal, match=says) as refused:
        competition.load(copy)
    assert str(copy / file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_doubled_and_missing_images_are_refused_by_name(copy):
    info = copy / "eval/info.csv"
    first = info.read_text().split()[1]
    image = copy / "eval/images" / first.partition(",")[0]
    info.write_text(info.read_text() + first + "\n")
    with pytest.raises(Refusal, match="stands twice"):
        competition.load(copy)
    info.write_text(info.read_text().removesuffix(first + "\n"))
    image.unlink()
    with pytest.raises(Refusal, match=image.name):
        competition.load(copy)


def test_known_label_errors_are_fixed_told_and_left_alone_on_request(copy):
    person = first_person(copy)
    known = person.with_name("000020_female_Asian_50")
    edit(copy / "train/train.csv", person.name, known.name)
    person.rename(known)
    fixed, raw = competition.load(copy), competition.load(copy, "none")
    assert fixed.notes[-1] == "label fix: 000020_female_Asian_50 mask swap"
    mine = fixed.train.column("person") == known.name
    stems = np.array([file.split("/")[-1].split(".")[0] for file in fixed.train.column("file")])
    assert fixed.train.column("label")[mine & (stems == "normal")] // 6 == 1
    assert raw.train.column("label")[mine & (stems == "normal")] // 6 == 2
    assert (fixed.train.column("label") != raw.train.column("label")).sum() == 2


def test_fixes_match_the_whole_folder_name(data_dir):
    persons = {person for person, _, _ in fixes.KNOWN}
    assert len(persons) == 11
    assert not persons & {path.name for path in (data_dir / "train/images").iterdir()}


def test_fixes_from_a_file(data_dir, tmp_path):
    person = first_person(data_dir).name
    file = tmp_path / "fixes.csv"
    file.write_text(f"path,column,value\n{person},age,60\n")
    table = competition.load(data_dir, str(file))
    assert (table.train.column("label")[table.train.column("person") == person] % 3 == 2).all()
    for bad, says in (
        (f"{person},age,old", "cannot apply"),
        (f"{person},age,580", "cannot apply"),
        ("nobody,age,3", "no person nobody"),
    ):
        file.write_text(f"path,column,value\n{bad}\n")
        with pytest.raises(Refusal, match=says):
            competition.load(data_dir, str(file))
    with pytest.raises(Refusal, match="neither known, none nor a file"):
        competition.load(data_dir, str(tmp_path / "nowhere.csv"))


def test_other_labels_give_another_digest(data_dir, tmp_path):
    file = tmp_path / "fixes.csv"
    file.write_text(
        f"path,column,value\n{first_person(data_dir).name},age,{19 if '_60' in first_person(data_dir).name else 60}\n"
    )
    plain, fixed = competition.load(data_dir).digests(), competition.load(data_dir, str(file)).digests()
    assert plain["rows"] == fixed["rows"]
    assert plain["labels"] != fixed["labels"]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_no_person_is_in_two_folds_and_every_row_is_held_once(data_dir, number):
    table = competition.load(data_dir)
    assigned = folds.assign(table.train, number, 0.2)
    assert set(assigned) == set(range(number))
    person = table.train.column("person")
    assert all(len(set(assigned[person == each])) == 1 for each in set(person))
    for fold in folds.split(replace(table, fold_of_row=assigned)):
        assert not set(fold.fit.column("person")) & set(fold.held_out.column("person"))
        assert len(fold.fit) + len(fold.held_out) == len(table.train)
        np.testing.assert_array_equal(table.train.column("file")[fold.held_out_index], fold.held_out.column("file"))


def test_folds_are_stratified_over_people():
    import pandas as pd

    cells = [(gender, age) for gender in (0, 1) for age in (20, 40, 60)] * 50
    frame = pd.DataFrame(
        [(f"p{k:03d}", *cell) for k, cell in enumerate(cells) for _ in range(7)], columns=["person", "gender", "age"]
    )
    assigned = folds.assign(Rows(frame), 5, 0.2)
    counts = pd.crosstab(assigned, [frame["gender"], frame["age"]])
    assert (counts == 70).all().all()


@pytest.mark.parametrize(("share", "held"), [(0.002, 1), (0.2, 5), (0.5, 12), (0.999, 23)])
def test_a_single_hold_out(data_dir, share, held):
    table = competition.load(data_dir)
    assigned = folds.assign(table.train, 1, share)
    assert set(assigned) == {-1, 0}
    assert len(set(table.train.column("person")[assigned == 0])) == held


def test_more_folds_than_people_are_refused(data_dir):
    with pytest.raises(Refusal, match="--folds 25"):
        folds.assign(competition.load(data_dir).train, 25, 0.2)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_folds_of_very_few_people(number):
    import pandas as pd

    frame = pd.DataFrame(
        {"person": [f"p{k}" for k in range(7)], "gender": [0, 1] * 3 + [0], "age": [20, 40, 60] * 2 + [20]}
    )
    assert np.ptp(np.bincount(folds.assign(Rows(frame), number, 0.2))) <= 1
