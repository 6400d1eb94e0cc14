"""The probability that a label is wrong, by a run's out-of-fold predictions, and fixes for such labels. Free of torch.

A run may be trained with other age boundaries than the true ones (--age-old 58: everyone from 58 is old). Where it
predicts the class that it was trained with, this is no evidence against the label.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from core import labels
from core.data import fixes

#: First and last age in years of each age group.
SPANS = np.array([(0, 29), (30, 59), (60, 120)])


class Fix(NamedTuple):
    """A line of a label-fix file."""

    path: str
    column: str
    value: str
    probability: float | None  # that the label is wrong, the mean over the person's images; None if trained with


def with_error_probabilities(rows: pd.DataFrame, probs: np.ndarray, young: int = 30, old: int = 60) -> pd.DataFrame:
    """A copy of `rows` with the columns predicted (0..17), label_error, mask_error, gender_error and age_error.
    An error column holds the probability of all classes except the true one and the one trained with. `rows` has age
    and label, `probs` (n, 18) rows that sum to 1; `young` and `old` are the age boundaries trained with, in years."""
    true = rows["label"].to_numpy()
    mask, gender, _ = labels.split(true)
    trained = labels.label(mask, gender, labels.age_group(rows["age"].to_numpy(), young, old))
    parts = zip(labels.TASKS, labels.marginals(probs), labels.split(true), labels.split(trained), strict=True)
    errors = {f"{task}_error": _error_probability(*arrays) for task, *arrays in parts}
    return rows.assign(predicted=probs.argmax(1), label_error=_error_probability(probs, true, trained), **errors)


def _error_probability(probs: np.ndarray, true: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """(n,) the probability, by `probs` (n, c), of neither the true class nor the one trained with (n,)."""
    row = np.arange(len(probs))
    return np.clip(1 - probs[row, true] - np.where(true == trained, 0, probs[row, trained]), 0, 1)


def propose(rows: pd.DataFrame, probs: np.ndarray, threshold: float, young: int = 30, old: int = 60) -> list[Fix]:
    """Fixes for the labels of people for whom the mean over their images predicts another class, most probable first.
    Gender becomes the other one, age the nearest in years of the predicted group; the images without a mask and
    with one worn wrong are swapped where each is predicted to be the other. The mean probability of the other class
    must be above `threshold`; the rest as in `with_error_probabilities`, and `rows` has person too."""
    names = rows["person"].to_numpy().astype(str)
    _, first, person = np.unique(names, return_index=True, return_inverse=True)
    mean = np.stack([np.bincount(person, column) for column in probs.T], 1) / np.bincount(person)[:, None]
    people, (_, gender, age) = rows.iloc[first], labels.marginals(mean)
    found = _gender_fixes(people, gender, threshold) + _age_fixes(people, age, threshold, young, old)
    found += _swaps(rows, labels.marginals(probs)[0], threshold)
    return sorted(found, key=lambda fix: (-(fix.probability or 0), fix.path, fix.column))


def _gender_fixes(people: pd.DataFrame, mean: np.ndarray, threshold: float) -> list[Fix]:
    """By a row of each person, and the `mean` (people, 2) of the probabilities over their images."""
    other = 1 - labels.split(people["label"].to_numpy())[1]
    found = zip(people["person"], other, mean[np.arange(len(mean)), other].tolist(), strict=True)
    return [Fix(person, "gender", labels.GENDER[sex], sure) for person, sex, sure in found if sure > threshold]


def _age_fixes(people: pd.DataFrame, mean: np.ndarray, threshold: float, young: int, old: int) -> list[Fix]:
    age, predicted = people["age"].to_numpy(), mean.argmax(1)
    true, trained = labels.age_group(age), labels.age_group(age, young, old)
    years, probability = np.clip(age, *SPANS[predicted].T), _error_probability(mean, true, trained)
    wrong = (predicted != true) & (predicted != trained) & (mean.max(1) > threshold)
    found = zip(people["person"][wrong], years[wrong], probability[wrong].tolist(), strict=True)
    return [Fix(person, "age", str(year), sure) for person, year, sure in found]


def _swaps(rows: pd.DataFrame, probs: np.ndarray, threshold: float) -> list[Fix]:
    """A swap for each person with images of both kinds, all predicted to be the other kind."""
    mask = labels.split(rows["label"].to_numpy())[0]
    swappable, other = mask > 0, 3 - mask
    images = rows[swappable].assign(mask=mask[swappable], other=probs[swappable, other[swappable]])
    images["crossed"] = probs[swappable].argmax(1) == other[swappable]
    people = images.groupby("person").agg({"mask": "nunique", "other": "mean", "crossed": "all"})
    people = people[(people["mask"] == 2) & people["crossed"] & (people["other"] > threshold)]
    return [Fix(str(person), "mask", "swap", float(probability)) for person, probability in people["other"].items()]


def merge(notes: list[str], proposed: list[Fix]) -> list[Fix]:
    """The proposed fixes, then those that the run was trained with, read from its `notes`.
    A fix trained with is left out where one is proposed for the same person and column; where both are a swap, both
    are left out, since two swaps change nothing."""
    texts = [note.removeprefix(fixes.NOTE).rsplit(" ", 2) for note in notes if note.startswith(fixes.NOTE)]
    trained = [Fix(person, column, value, None) for person, column, value in texts]
    trained_keys, proposed_keys = ({(fix.path, fix.column) for fix in each} for each in (trained, proposed))
    kept = [fix for fix in proposed if fix.column != "mask" or (fix.path, "mask") not in trained_keys]
    return kept + [fix for fix in trained if (fix.path, fix.column) not in proposed_keys]
