"""A competition folder -> train and test rows in a fixed order; unusual input is used, reported in the
notes, or refused.

DATA/train/train.csv   id,gender,race,age,path       DATA/train/images/<path>/<stem>.<ext>
DATA/eval/info.csv     ImageID,ans                   DATA/eval/images/<ImageID>
"""

from __future__ import annotations

import os
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

    Raises:
        Refusal: anything missing, doubled or unreadable, naming the file and what to do.
    """
    if not root.is_dir():
        raise Refusal(
            f"--data {root}: there is no such folder; give --data DIR, set MASK18_DATA, or draw one with python -m core.people --out data"
        )
    notes: list[str] = []
    for file in ("train/train.csv", "eval/info.csv"):
        if not (root / file).is_file():
            raise Refusal(
                f"{root / file}: is missing; --data must name a folder with train/train.csv and eval/info.csv"
            )
    persons = disk.read_csv(root / "train" / "train.csv", ("id", "gender", "age", "path"))
    _check_persons(root, persons)
    if people is not None:
        persons = _spread(persons, people)
    frame = _train_frame(root, persons, notes)
    frame, fixed = fixes.apply(frame, fix_labels)
    frame["label"] = labels.label(frame["mask"], frame["gender"], labels.age_group(frame["age"]))
    test = _test_frame(root)
    if people is not None:
        test = test.iloc[: max(7, len(test) // 10)]
    frame["image_index"] = np.arange(len(frame))
    test = test.assign(image_index=len(frame) + np.arange(len(test)))
    return Table(
        root, Rows(frame[["file", "person", "gender", "age", "label", "image_index"]]), Rows(test), notes + fixed
    )


def _check_persons(root: Path, persons: pd.DataFrame) -> None:
    source = root / "train" / "train.csv"
    unusual = persons["path"][persons["path"].str.contains("/", regex=False) | persons["path"].isin(["", ".", ".."])]
    if len(unusual):
        raise Refusal(f"{source}: path {unusual.iloc[0]!r} is not the name of a folder")
    doubled = persons["path"][persons["path"].duplicated()]
    if len(doubled):
        raise Refusal(f"{source}: path {doubled.iloc[0]} stands twice; the path is the key of a person, keep one")
    for column, allowed in (
        ("gender", persons["gender"].isin(labels.GENDER)),
        ("age", persons["age"].str.fullmatch(labels.YEARS)),
    ):
        if not allowed.all():
            row = persons[~allowed].iloc[0]
            raise Refusal(
                f"{source}: {column} {row[column]!r} of {row['path']} is not {'male or female' if column == 'gender' else 'a whole number of years up to 120'}"
            )


def _spread(persons: pd.DataFrame, people: int) -> pd.DataFrame:
    """So many people, of every gender and age group in rank."""
    stratum = persons["gender"] + labels.age_group(persons["age"].astype(int)).astype(str)
    rank = persons.groupby(stratum).cumcount()
    return persons.loc[rank.sort_values(kind="stable").index[:people]].sort_index()


def _train_frame(root: Path, persons: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    unusual = []
    for person, gender, age in zip(persons["path"], persons["gender"], persons["age"], strict=True):
        found = _images(root / "train" / "images" / person)
        if sorted(stem for stem, _ in found) != sorted(labels.STEMS):
            unusual.append(f"{person} ({len(found)})")
        rows += [
            (f"train/images/{person}/{name}", person, labels.GENDER.index(gender), int(age), labels.STEMS[stem])
            for stem, name in found
        ]
    if unusual:
        notes.append(
            f"not exactly the seven files, used as they are: {', '.join(unusual[:5])}{' …' if len(unusual) > 5 else ''}"
        )
    frame = pd.DataFrame(rows, columns=["file", "person", "gender", "age", "mask"])
    return frame.sort_values(["person", "file"], kind="stable", ignore_index=True)


def _images(folder: Path) -> list[tuple[str, str]]:
    """(stem, name) of a person's images; hidden files and folders are left out."""
    if not folder.is_dir():
        raise Refusal(f"{folder}: is named in train.csv and is not there; restore it or remove its row")
    found = []
    for name in sorted(
        entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith(".")
    ):
        stem, ending = os.path.splitext(name)
        if ending.lower() in ENDINGS:
            if stem not in labels.STEMS:
                raise Refusal(f"{folder / name}: is none of {', '.join(labels.STEMS)}; rename or remove it")
            found.append((stem, name))
    if not found:
        raise Refusal(f"{folder}: holds no image; restore it or remove its row from train.csv")
    return found


def _test_frame(root: Path) -> pd.DataFrame:
    source = root / "eval" / "info.csv"
    info = disk.read_csv(source, ("ImageID", "ans"))
    if (info["ImageID"] == "").any():
        raise Refusal(f"{source}: a row has no ImageID; name its image or remove it")
    doubled = info["ImageID"][info["ImageID"].duplicated()]
    if len(doubled):
        raise Refusal(f"{source}: ImageID {doubled.iloc[0]} stands twice; keep one row for each test image")
    existing = (
        {entry.name for entry in os.scandir(root / "eval" / "images")} if (root / "eval" / "images").is_dir() else set()
    )
    missing = info["ImageID"][~info["ImageID"].isin(existing)]
    if len(missing):
        raise Refusal(
            f"{root / 'eval' / 'images' / missing.iloc[0]}: is named in info.csv and is not there ({len(missing)} missing in all); restore it"
        )
    return info[["ImageID"]].assign(file="eval/images/" + info["ImageID"])
