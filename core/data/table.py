"""Rows of a data set, and the table they come from: what every kernel is handed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core import disk

if TYPE_CHECKING:
    import pandas as pd


class PixelStore(Protocol):
    """The decoded images of a data set, as core/images/store.py opens and describes them."""

    array: np.ndarray
    size: tuple[int, int]
    images: str
    extra: str

    def centre_crops(self, index: np.ndarray) -> np.ndarray:
        """(len(index), *size, 3) uint8."""

    def centre_crop(self, index: int) -> np.ndarray:
        """(*size, 3) uint8, to be read only."""


@dataclass(frozen=True)
class Rows:
    """Some images of a data set, in order.

    `frame` has a row per image: file (below the data folder), image_index (its place in the store), and for
    training rows person, gender (0, 1), age (years) and label (0..17); repeated rows have copy True.
    """

    frame: pd.DataFrame
    store: PixelStore | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, which: np.ndarray) -> Rows:
        """The rows at these positions, or where this mask is true."""
        return replace(self, frame=self.frame[which] if which.dtype == bool else self.frame.iloc[which])

    def followed_by(self, *others: Rows) -> Rows:
        """These rows, then those of the others, over the same store."""
        import pandas as pd

        frames = [self.frame, *(each.frame for each in others)]
        return replace(self, frame=pd.concat(frames, ignore_index=True)) if others else self

    def column(self, name: str) -> np.ndarray:
        return self.frame[name].to_numpy()

    @property
    def opened_store(self) -> PixelStore:
        assert self.store is not None, "Table.opened comes first"
        return self.store


@dataclass(frozen=True)
class Table:
    """A data set: training rows by (person, file), test rows in info.csv's order, and what a reader should know.

    `fold_of_row` (n_train,) int is the fold that holds each training row out, -1 for none; empty until it is assigned.
    `extra` rows are fit rows in every fold, held out in none and never scored.
    """

    root: Path
    train: Rows
    test: Rows
    notes: list[str]
    fold_of_row: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    extra: Rows | None = None

    def opened(self, store: PixelStore) -> Table:
        """The same table with its decoded store."""
        extra = replace(self.extra, store=store) if self.extra else None
        return replace(self, train=replace(self.train, store=store), test=replace(self.test, store=store), extra=extra)

    @property
    def files(self) -> list[str]:
        """Of all images, in the store's order."""
        return [file for rows in (self.train, self.test, self.extra) if rows for file in rows.column("file")]

    @property
    def folds(self) -> range:
        """The numbers of the folds."""
        return range(int(self.fold_of_row.max(initial=-1)) + 1)

    def digests(self) -> dict[str, str]:
        """What makes two runs comparable (the same images in the same order, the same true labels), the ages that
        training labels are made of, and with an open store the images' bytes."""
        train = self.train.frame
        people = zip(train["person"], train["gender"].astype(str), train["age"].astype(str), strict=True)
        return {
            "ages": disk.text_digest("\n".join(map(" ".join, people))),
            "rows": disk.text_digest("\n".join([*self.train.column("file"), "", *self.test.column("file")])),
            "labels": disk.text_digest(self.train.column("label").astype(np.uint8).tobytes().hex()),
            **({"images": self.train.store.images} if self.train.store else {}),
            **({"extra": self._extra_digest(self.extra)} if self.extra else {}),
        }

    @staticmethod
    def _extra_digest(extra: Rows) -> str:
        """Of the extra rows' labels and ages, and of their images' bytes."""
        images = extra.store.extra if extra.store else ""
        numbers = extra.frame[["gender", "age", "label"]].to_numpy(np.uint8).tobytes().hex()
        return disk.text_digest(numbers + images)
