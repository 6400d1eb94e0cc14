"""A competition folder -> train and test rows in a fixed order; unusual input is used, noted or refused.

DATA/train/train.csv   id,gender,race,age,path       DATA/train/images/<path>/<stem>.<ext>
DATA/eval/info.csv     ImageID,ans                   DATA/eval/images/<ImageID>
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import disk, labels
from core.data import fixes
from core.data.table import Rows, Table
from core.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".jpg", ".jpeg", ".png")


def load(root: Path, fix_labels: str = "known", people: int | None = None) -> Table:
    """Read the folder; `people` keeps only the first so many and a tenth of the test images, for a tiny run.
    Refuses: anything missing, doubled or unreadable, naming the file and what to do."""
    if not root.is_dir():
        instead = "give --data DIR, set MASK18_DATA, or draw one with python -m core.people --out data"
        raise Refusal(f"--data {root}: there is no such folder; {instead}")
    for file in ("train/train.csv", "eval/info.csv"):
        if not (root / file).is_file():
            raise Refusal(f"{root / file}: is missing; --data needs a folder with train/train.csv and eval/info.csv")
    persons = _persons(root / "train" / "train.csv")
    unnamed = _unnamed(root / "train" / "images", persons["path"], "train.csv")
    train, unusual = _train_frame(root, persons if people is None else _spread(persons, people))
    train, fixed = fixes.apply(train, fix_labels)
    train = _labelled(train, 0)
    test = _test_frame(root)
    unnamed += _unnamed(root / "eval" / "images", test["ImageID"], "info.csv")
    test = test if people is None else test.iloc[: max(7, len(test) // 10)]
    test = test.assign(image_index=len(train) + np.arange(len(test)))
    return Table(root, Rows(train), Rows(test), [*unnamed, *_disagreeing(persons), *unusual, *fixed])


def load_extra(root: Path, after: int, known: set[str]) -> Rows:
    """The people of another folder of the same form, for training only; their images stand `after` so many others in
    the store, by their full path. Refuses as `load` does, and people who are `known` already: they would be trained on
    where they are held out; no test images are needed."""
    if not (root / "train/train.csv").is_file():
        raise Refusal(f"--extra {root}: holds no train/train.csv; name a folder of the competition's form")
    frame, _ = _train_frame(root, _persons(root / "train" / "train.csv"))
    if twice := sorted(set(frame["person"]) & known):
        raise Refusal(f"--extra {root}: has people of --data too, whom a fold holds out: {_first(twice)}; remove them")
    return Rows(_labelled(frame.assign(file=str(root.resolve()) + "/" + frame["file"]), after))


def _labelled(frame: pd.DataFrame, after: int) -> pd.DataFrame:
    """With the true class in the place of the mask, and each row's place in the store, `after` so many others."""
    label = labels.label(frame["mask"], frame["gender"], labels.age_group(frame["age"]))
    return frame.drop(columns="mask").assign(label=label, image_index=after + np.arange(len(frame)))


def _persons(source: Path) -> pd.DataFrame:
    persons = disk.read_csv(source, ("id", "gender", "age", "path"))
    path = persons["path"]
    unusual = path[path.str.contains("/", regex=False) | path.isin(["", ".", ".."])]
    if len(unusual):
        raise Refusal(f"{source}: path {unusual.iloc[0]!r} is not the name of a folder")
    doubled = path[path.duplicated()]
    if len(doubled):
        raise Refusal(f"{source}: path {doubled.iloc[0]} stands twice; the path is the key of a person, keep one")
    for column, allowed, form in (
        ("gender", persons["gender"].isin(labels.GENDER), "male or female"),
        ("age", persons["age"].str.fullmatch(labels.YEARS), "a whole number of years up to 120"),
    ):
        if not allowed.all():
            row = persons[~allowed].iloc[0]
            raise Refusal(f"{source}: {column} {row[column]!r} of {row['path']} is not {form}")
    return persons


def _unnamed(folder: Path, names: pd.Series, source: str) -> list[str]:
    """A note of what lies in the folder and no row of `source` names: it is not used."""
    there = {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")} if folder.is_dir() else set()
    left = sorted(there - set(on_disk(folder, names)))
    return [f"in {folder.parent.name}/images and not in {source}, not used: {_first(left)}"] if left else []


def _disagreeing(persons: pd.DataFrame) -> list[str]:
    """A note of people whose folder's name, id_gender_race_age, has another gender or age than their row."""
    said = persons["path"].str.extract(r"_(male|female)_[^_]*_(\d+)$")
    other = said[0].notna() & ((said[0] != persons["gender"]) | (said[1] != persons["age"]))
    told = [f"{row.path} (train.csv has {row.gender}, {row.age})" for row in persons[other].itertuples()]
    return [f"the folder's name says otherwise than its row, which is used: {_first(told)}"] if told else []


def _first(names: list[str]) -> str:
    """How many there are, and the first three."""
    return f"{len(names)} ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})"


def on_disk(folder: Path, names: pd.Series) -> list[str]:
    """Each name as the folder spells it: the same text may have two Unicode forms, and a Mac writes the other."""
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    forms = {unicodedata.normalize("NFC", name): name for name in sorted(there)}
    return [name if name in there else forms.get(unicodedata.normalize("NFC", name), name) for name in names]


def _spread(persons: pd.DataFrame, people: int) -> pd.DataFrame:
    """So many people, of every gender and age group in rank."""
    stratum = persons["gender"] + labels.age_group(persons["age"].astype(int)).astype(str)
    rank = persons.groupby(stratum).cumcount()
    return persons.loc[rank.sort_values(kind="stable").index[:people]].sort_index()


def _train_frame(root: Path, persons: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A row for each image, by (person, file), and a note if some people have other than the seven images."""
    import pandas as pd

    rows, unusual, folder = [], [], root / "train" / "images"
    folders = on_disk(folder, persons["path"])
    for person, own, gender, age in zip(persons["path"], folders, persons["gender"], persons["age"], strict=True):
        found, left = _images(folder / own)
        if left or sorted(stem for stem, _ in found) != sorted(labels.STEMS):
            unusual.append(f"{person} ({len(found)}{', not used: ' + ', '.join(left[:3]) if left else ''})")
        known = (person, labels.GENDER.index(gender), int(age))
        rows += [(f"train/images/{own}/{name}", *known, labels.STEMS[stem]) for stem, name in found]
    listed = ", ".join(unusual[:5]) + (" …" if len(unusual) > 5 else "")
    notes = [f"not exactly the seven files, used as they are: {listed}"] if unusual else []
    frame = pd.DataFrame(rows, columns=["file", "person", "gender", "age", "mask"])
    return frame.sort_values(["person", "file"], kind="stable", ignore_index=True), notes


def _images(folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """(stem, name) of a person's images, and what else is there, links to nothing too; hidden files are left out."""
    if not folder.is_dir():
        raise Refusal(f"{str(folder)!r}: is named in train.csv and is not there; restore it or remove its row")
    entries = sorted(
        (entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=lambda each: each.name
    )
    names = [entry.name for entry in entries if entry.is_file() and entry.name.lower().endswith(ENDINGS)]
    left = [entry.name + ("" if entry.is_file() or entry.is_dir() else " (a link to nothing)") for entry in entries]
    found = [(os.path.splitext(name)[0], name) for name in names]
    for stem, name in found:
        if stem not in labels.STEMS:
            raise Refusal(f"{folder / name}: is none of {', '.join(labels.STEMS)}; rename or remove it")
    if not found:
        raise Refusal(f"{folder}: holds no image; restore it or remove its row from train.csv")
    return found, [name for name in left if name not in names]


def _test_frame(root: Path) -> pd.DataFrame:
    source, folder = root / "eval" / "info.csv", root / "eval" / "images"
    image = disk.read_csv(source, ("ImageID", "ans"))["ImageID"]
    if (image == "").any():
        raise Refusal(f"{source}: a row has no ImageID; name its image or remove it")
    doubled = image[image.duplicated()]
    if len(doubled):
        raise Refusal(f"{source}: ImageID {doubled.iloc[0]} stands twice; keep one row for each test image")
    own = on_disk(folder, image)
    there = set(os.listdir(folder) if folder.is_dir() else [])
    missing = [name for name in own if name not in there]
    if missing:
        count = f"({len(missing)} missing in all)"
        raise Refusal(f"{str(folder / missing[0])!r}: is named in info.csv and is not there {count}; restore it")
    return image.to_frame().assign(file=[f"eval/images/{name}" for name in own])
