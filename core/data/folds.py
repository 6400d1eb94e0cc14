"""Folds by person, stratified by gender x age group over people, the same for every seed.

The seven images of a person are near-copies, so a person is never in two folds. People are assigned by the hash of
their names, so the folds depend on no library's version; each run keeps its own in rows.csv.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from core import labels
from core.data.table import Rows, Table
from core.refusal import Refusal


@dataclass(frozen=True)
class Fold:
    """`fit` is trained on, extra rows last; `held_out` is only ever predicted, and stands at `held_out_index` in the
    train table."""

    number: int
    fit: Rows
    held_out: Rows
    held_out_index: np.ndarray


def assign(rows: Rows, number: int, val_ratio: float) -> np.ndarray:
    """(n_train,) int: the fold, 0..number-1, that holds out each row. If `number` is 1, fold 0 holds out `val_ratio`
    of the people, and the rows of all others have -1.
    Refuses: fewer people than folds."""
    people, first, back = np.unique(rows.column("person").astype(str), return_index=True, return_inverse=True)
    stratum = rows.column("gender")[first] * 3 + labels.age_group(rows.column("age")[first])
    if len(people) < max(2, number):
        raise Refusal(f"--folds {number}: {len(people)} people cannot be split so; give fewer folds or more people")
    fold_of_person = _hold_out(people, stratum, val_ratio) if number == 1 else _in_turn(people, stratum, number)
    return fold_of_person[back]


def _by_hash(people: np.ndarray) -> np.ndarray:
    """Positions of `people` in an order that depends on their names alone, and on nothing else about them."""
    return np.argsort([hashlib.sha256(person.encode()).hexdigest() for person in people])


def _in_turn(people: np.ndarray, stratum: np.ndarray, number: int) -> np.ndarray:
    """Stratum after stratum, one person to each fold in turn: every fold has its share of each, give or take one."""
    order = _by_hash(people)
    order = order[np.argsort(stratum[order], kind="stable")]
    return np.argsort(order) % number  # sorting an order gives the place of each in it


def _hold_out(people: np.ndarray, stratum: np.ndarray, share: float) -> np.ndarray:
    """max(1, round(share * people)) people as fold 0; stratified when there are enough for every stratum."""
    order = _by_hash(people)
    held_out = min(max(1, round(share * len(people))), len(people) - 1)
    if held_out >= len(np.unique(stratum)):
        rank = np.empty(len(people))
        for each in np.unique(stratum):
            own = order[stratum[order] == each]
            rank[own] = (np.arange(len(own)) + 0.5) / len(own)
        order = np.argsort(rank, kind="stable")
    return np.where(np.isin(np.arange(len(people)), order[:held_out]), 0, -1)


def split(table: Table) -> list[Fold]:
    """The folds of a table whose rows are assigned."""
    train, held = table.train, [table.fold_of_row == number for number in table.folds]
    more = [table.extra] if table.extra else []
    return [
        Fold(number, train.take(~own).followed_by(*more), train.take(own), np.flatnonzero(own))
        for number, own in enumerate(held)
    ]
