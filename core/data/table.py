"""Rows of a data set, and the table they come from: what every kernel is handed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import disk

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Some images of a data set, in order.

    `frame` has a row per image: file (below the data folder), pixel (its place in `pixels`), and for
    training rows person, gender (0, 1), age (years) and label (0..17); repeated rows have copy True.
    `pixels` is the decoded store, None until it is opened.
    """

    frame: pd.DataFrame
    pixels: Any = None

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, which: np.ndarray) -> Rows:
        """The rows at these positions, or where this mask is true."""
        return replace(self, frame=self.frame[which] if which.dtype == bool else self.frame.iloc[which])

    def column(self, name: str) -> np.ndarray:
        return self.frame[name].to_numpy()


@dataclass(frozen=True)
class Table:
    """A data set: training rows by (person, file), test rows in info.csv's order, and what a reader should know."""

    root: Path
    train: Rows
    test: Rows
    notes: list[str]

    def opened(self, pixels: Any) -> Table:
        """The same table with its decoded store."""
        return replace(self, train=replace(self.train, pixels=pixels), test=replace(self.test, pixels=pixels))

    def digests(self) -> dict[str, str]:
        """What makes two runs comparable (the same images in the same order, the same true labels), and the ages
        that training labels are made of."""
        train = self.train.frame
        people = zip(train["person"], train["gender"].astype(str), train["age"].astype(str), strict=True)
        return {
            "ages": disk.text_digest("\n".join(map(" ".join, people))),
            "rows": disk.text_digest("\n".join([*self.train.column("file"), "", *self.test.column("file")])),
            "labels": disk.text_digest(self.train.column("label").astype(np.uint8).tobytes().hex()),
        }
