"""How sure a run is that a label is wrong, and which fixes would set it right. Free of torch.

A run is asked about people that it did not train on, and is not heard where it says what it was taught: one
that learned to call everyone from 58 old (--age-old 58) has nothing against a label by calling 58 old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core import labels

if TYPE_CHECKING:
    import pandas as pd

#: First and last age in years of each age group.
SPANS = ((0, 29), (30, 59), (60, 120))
#: How a run's notes begin to tell of a fix.
FIX = "label fix: "


class Fix(NamedTuple):
    """A line of a label-fix file; `doubt` is the mean probability that the label is wrong, None for an older fix."""

    path: str
    column: str
    value: str
    doubt: float | None


def doubted(rows: pd.DataFrame, probs: np.ndarray, young: int = 30, old: int = 60) -> pd.DataFrame:
    """`rows` with `said` (0..17), `doubt` and that of each part: the probability of all but the true and the taught.

    Args:
        rows: a frame with age and label, a row per image.
        probs: (n, 18) float, rows that sum to 1.
        young, old: the boundaries of age that the run was taught.
    """
    true = rows["label"].to_numpy()
    mask, gender, _ = labels.split(true)
    taught = labels.label(mask, gender, labels.age_group(rows["age"].to_numpy(), young, old))
    parts = zip(labels.TASKS, labels.marginals(probs), labels.split(true), labels.split(taught), strict=True)
    return rows.assign(
        said=probs.argmax(1),
        doubt=_against(probs, true, taught),
        **{f"doubt_{task}": _against(chances, mine, learned) for task, chances, mine, learned in parts},
    )


def _against(chances: np.ndarray, true: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """(n,) the probability of neither the one nor the other class."""
    every = np.arange(len(chances))
    return np.clip(1 - chances[every, true] - np.where(true == taught, 0, chances[every, taught]), 0, 1)


def propose(rows: pd.DataFrame, probs: np.ndarray, sure: float, young: int = 30, old: int = 60) -> list[Fix]:
    """The fixes for what the mean over a person's images says otherwise with more than `sure`, the surest first.

    Gender becomes the other one, age the nearest in years of the group that is said, and the images
    without a mask and with one worn wrong are swapped where each is said to be the other. Arguments as in `doubted`.
    """
    mask, gender, age = labels.marginals(probs)
    found = [*_genders(rows, gender, sure), *_ages(rows, age, sure, young, old), *_swaps(rows, mask, sure)]
    return sorted(found, key=lambda fix: (-(fix.doubt or 0), fix.path, fix.column))


def _by_person(rows: pd.DataFrame, chances: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The first row of each person, and the mean (people, c) of the chances of their images."""
    people, first, back = np.unique(rows["person"].to_numpy().astype(str), return_index=True, return_inverse=True)
    sums = np.zeros((len(people), chances.shape[1]))
    np.add.at(sums, back, chances)
    return rows.iloc[first], sums / np.bincount(back)[:, None]


def _genders(rows: pd.DataFrame, chances: np.ndarray, sure: float) -> list[Fix]:
    people, mean = _by_person(rows, chances)
    other = 1 - labels.split(people["label"].to_numpy())[1]
    return [
        Fix(person, "gender", labels.GENDER[gender], float(chance[gender]))
        for person, gender, chance in zip(people["person"], other, mean, strict=True)
        if chance[gender] > sure
    ]


def _ages(rows: pd.DataFrame, chances: np.ndarray, sure: float, young: int, old: int) -> list[Fix]:
    people, mean = _by_person(rows, chances)
    age, said = people["age"].to_numpy(), mean.argmax(1)
    true, taught = labels.age_group(age), labels.age_group(age, young, old)
    doubt = _against(mean, true, taught)
    return [
        Fix(people["person"].iloc[at], "age", str(np.clip(age[at], *SPANS[said[at]])), float(doubt[at]))
        for at in np.flatnonzero((said != true) & (said != taught) & (mean.max(1) > sure))
    ]


def _swaps(rows: pd.DataFrame, chances: np.ndarray, sure: float) -> list[Fix]:
    mask = labels.split(rows["label"].to_numpy())[0]
    bare, other = mask > 0, 3 - mask
    seen = rows[bare].assign(mask=mask[bare], other=chances[bare, other[bare]])
    seen["crossed"] = chances[bare].argmax(1) == other[bare]
    each = seen.groupby("person").agg({"mask": "nunique", "other": "mean", "crossed": "all"})
    each = each[(each["mask"] == 2) & each["crossed"] & (each["other"] > sure)]
    return [Fix(str(person), "mask", "swap", float(chance)) for person, chance in each["other"].items()]


def joined(notes: list[str], proposed: list[Fix]) -> list[Fix]:
    """The proposals, then the fixes told in a run's `notes` that they leave standing; swapped twice is not swapped."""
    told = [note.removeprefix(FIX).rsplit(" ", 2) for note in notes if note.startswith(FIX)]
    older = [Fix(person, column, value, None) for person, column, value in told]
    asked, changed = ({(fix.path, fix.column) for fix in fixes} for fixes in (older, proposed))
    kept = [fix for fix in proposed if fix.column != "mask" or (fix.path, "mask") not in asked]
    return kept + [fix for fix in older if (fix.path, fix.column) not in changed]
