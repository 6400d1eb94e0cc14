"""Folds by person, stratified by gender x age group over people, the same for every seed.

The seven images of a person are near-copies, so a person is never in two folds. People are dealt by
the hash of their names, so the folds depend on no library's version; each run keeps its own in rows.csv.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core import labels
from core.data.table import Rows, Table
from core.refusal import Refusal


@dataclass(frozen=True)
class Fold:
    """`fit` is trained on; `held` is only ever predicted. `where` are the positions of `held` in the train table."""

    number: int
    fit: Rows
    held: Rows
    where: np.ndarray


def deal(rows: Rows, number: int, val_ratio: float) -> np.ndarray:
    """(n_train,) int: the fold that holds each row out, -1 for none.

    Raises:
        Refusal: fewer people than folds.
    """
    people, first, back = np.unique(rows.column("person").astype(str), return_index=True, return_inverse=True)
    cell = rows.column("gender")[first] * 3 + labels.age_group(rows.column("age")[first])
    if len(people) < max(2, number):
        raise Refusal(f"--folds {number}: {len(people)} people cannot be split so; give fewer folds or more people")
    of_person = _hold_out(people, cell, val_ratio) if number == 1 else _deal_people(people, cell, number)
    return of_person[back]


def _by_hash(people: np.ndarray) -> np.ndarray:
    """Positions of `people` in an order that depends on their names alone, and on nothing else about them."""
    return np.argsort([hashlib.sha256(person.encode()).hexdigest() for person in people])


def _deal_people(people: np.ndarray, cell: np.ndarray, number: int) -> np.ndarray:
    """Cell after cell, one person to each fold in turn: every fold has its share of every cell, give or take one."""
    order = _by_hash(people)
    order = order[np.argsort(cell[order], kind="stable")]
    of_person = np.empty(len(people), np.int64)
    of_person[order] = np.arange(len(people)) % number
    return of_person


def _hold_out(people: np.ndarray, cell: np.ndarray, share: float) -> np.ndarray:
    """max(1, round(share * people)) people as fold 0; stratified when there are enough for every cell."""
    order = _by_hash(people)
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
