"""Label errors that people agreed on: fixed, not dropped, and listed in the notes. Matched on the folder name."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from core import disk, labels
from core.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

#: (folder, column, value), as published by teams of the competition; `swap` exchanges incorrect_mask and normal.
KNOWN = (
    *((f"{number:06d}_female_Asian_18", "gender", "male") for number in range(6359, 6365)),
    ("001498-1_male_Asian_23", "gender", "female"),
    ("004432_male_Asian_43", "gender", "female"),
    ("000020_female_Asian_50", "mask", "swap"),
    ("004418_male_Asian_20", "mask", "swap"),
    ("005227_male_Asian_22", "mask", "swap"),
)
FORMS = "columns path,column,value; column gender (male, female), age (years) or mask (swap)"
#: How a note of a fix begins; core/reports/label_errors.py finds the fixes of a run by it.
NOTE = "label fix: "


def apply(frame: "pd.DataFrame", which: str) -> tuple["pd.DataFrame", list[str]]:
    """A fixed copy of `frame` (person, gender, age, mask), and a note for each fix of `which`: known, none or a file.
    Refuses: the file is missing or a line of it cannot be applied."""
    built_in = {"known": KNOWN, "none": ()}
    fixes = built_in[which] if which in built_in else _read(Path(which), set(frame["person"]))
    frame, notes = frame.copy(), []
    for person, column, value in fixes:
        own = frame["person"] == person
        if own.any():
            if column == "mask":
                frame.loc[own, "mask"] = frame.loc[own, "mask"].map({0: 0, 1: 2, 2: 1})
            else:
                frame.loc[own, column] = labels.GENDER.index(value) if column == "gender" else int(value)
            notes.append(f"{NOTE}{person} {column} {value}")
    return frame, notes


def _read(path: Path, persons: set[str]) -> list[tuple[str, str, str]]:
    if not path.is_file():
        raise Refusal(f"--fix-labels {path}: is neither known, none nor a file")
    try:
        frame = disk.read_csv(path, ("path", "column", "value"), may_be_empty=True)
    except Refusal as refusal:
        raise Refusal(f"--fix-labels {refusal}; {FORMS}") from None
    rows = list(zip(frame["path"], frame["column"], frame["value"], strict=True))
    forms = {"gender": "|".join(labels.GENDER), "age": labels.YEARS, "mask": "swap"}
    for (person, column, value), again in zip(rows, frame.duplicated(["path", "column"]), strict=True):
        if again:
            raise Refusal(f"--fix-labels {path}: {column} of {person} is fixed twice; keep one line")
        if not re.fullmatch(forms.get(column, "(?!)"), value):
            raise Refusal(f"--fix-labels {path}: cannot apply {person},{column},{value}; needs {FORMS}")
        if person not in persons:
            raise Refusal(f"--fix-labels {path}: there is no person {person} in train.csv")
    return rows
