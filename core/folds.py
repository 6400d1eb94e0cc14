"""Folds by person, stratified by gender x age group over people, the same for every seed.

The seven images of a person are near-copies, so a person is never in two folds. Library versions
deal differently, so the folds of a data set are dealt once, stored beside the decoded store, and
copied into every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, labels
from core.data import Rows, Table
from core.refusal import Refusal


@dataclass(frozen=True)
class Fold:
    """`fit` is trained on; `held` is only ever predicted. `where` are the positions of `held` in the train table."""

    number: int
    fit: Rows
    held: Rows
    where: np.ndarray


def stored(table: Table, number: int, val_ratio: float, cache: Path) -> np.ndarray:
    """(n_train,) int: the fold that holds each row out, -1 for none. Dealt once per data set, read ever after."""
    key = disk.text_digest(f"{table.digests()} {number} {val_ratio if number == 1 else ''}")[:16]
    path = cache / f"folds-{key}.npy"
    if not path.is_file():
        disk.write_array(path, deal(table.train, number, val_ratio))
    return np.load(path, allow_pickle=False)


def deal(rows: Rows, number: int, val_ratio: float) -> np.ndarray:
    """See `stored`.

    Raises:
        Refusal: fewer people than folds.
    """
    people, first, back = np.unique(rows.column("person").astype(str), return_index=True, return_inverse=True)
    cell = rows.column("gender")[first] * 3 + labels.age_group(rows.column("age")[first])
    if len(people) < max(2, number):
        raise Refusal(f"--folds {number}: {len(people)} people cannot be split so; give fewer folds or more people")
    of_person = _hold_out(people, cell, val_ratio) if number == 1 else _deal_people(cell, number)
    return of_person[back]


def _deal_people(cell: np.ndarray, number: int) -> np.ndarray:
    import warnings

    from sklearn.model_selection import StratifiedKFold

    of_person = np.empty(len(cell), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        for fold, (_, held) in enumerate(StratifiedKFold(number, shuffle=True, random_state=0).split(cell, cell)):
            of_person[held] = fold
    return of_person


def _hold_out(people: np.ndarray, cell: np.ndarray, share: float) -> np.ndarray:
    """max(1, round(share * people)) people as fold 0; stratified when there are enough for every cell."""
    order = np.argsort([hashlib.sha256(person.encode()).hexdigest() for person in people])
    held = min(max(1, round(share * len(people))), len(people) - 1)
    of_person = np.full(len(people), -1, np.int64)
    if held < len(np.unique(cell)):
        of_person[order[:held]] = 0
        return of_person
    rank = np.empty(len(people))
    for each in np.unique(cell):
        mine = order[cell[order] == each]
        rank[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    of_person[np.argsort(rank, kind="stable")[:held]] = 0
    return of_person


def split(table: Table, folds: np.ndarray) -> Iterator[Fold]:
    """One `Fold` for each fold number that holds any row."""
    for number in range(folds.max() + 1):
        where = np.flatnonzero(folds == number)
        yield Fold(number, table.train.take(np.flatnonzero(folds != number)), table.train.take(where), where)
