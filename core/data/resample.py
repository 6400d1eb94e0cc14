"""Which training rows are repeated. Copies are marked, so that they alone can be augmented."""

from dataclasses import replace
from typing import Literal

import numpy as np

from core import labels
from core.data.table import Rows

Resampling = Literal["none", "elderly", "balance"]


def repeat(rows: Rows, how: Resampling) -> Rows:
    """The rows, then the copies (column copy True).

    none: no copies. elderly: the oldest age group is repeated up to the largest. balance: every gender x age group is.
    A group of n that needs m copies gives each row floor(m/n) or ceil(m/n) of them, evenly spread, without a draw.
    """
    _, gender, age = labels.split(rows.column("label"))
    group = {"none": np.zeros_like(age), "elderly": age, "balance": gender * 3 + age}[how]
    sizes = np.bincount(group)
    grown = {"none": sizes[:0], "elderly": np.array([2]), "balance": np.flatnonzero(sizes)}[how]
    copies = [np.empty(0, np.int64)]
    for own in (np.flatnonzero(group == each) for each in grown if each in group):
        needed = sizes.max() - len(own)
        copies.append(own[np.arange(needed) * len(own) // max(needed, 1)])
    chosen = np.concatenate([np.arange(len(rows)), *copies])
    return replace(rows, frame=rows.frame.iloc[chosen].assign(copy=np.arange(len(chosen)) >= len(rows)))
