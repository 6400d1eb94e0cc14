"""Rows as batches of uint8 images: plain rows in one gather, augmented rows made ahead by workers.

Workers write into memory that they share with the loader, so no image is pickled or sent.
Everything drawn is keyed by (seed, fold, phase, epoch) and the image's position in the epoch, so
neither the number of workers nor a restart changes a batch.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.data.table import Rows
from core.images import augment
from core.refusal import Refusal

Key = tuple[int, ...]
#: Batches that each worker makes ahead.
AHEAD = 4


def seed(*key: int) -> int:
    """A 32-bit seed for this key; keys that differ anywhere give unrelated seeds."""
    return int(np.random.SeedSequence((len(key), *key)).generate_state(1)[0])


def as_images(batch: np.ndarray) -> torch.Tensor:
    """(b, h, w, 3) uint8 -> (b, 3, h, w) in channels_last order, without moving a byte."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Loader:
    """Training batches of one shape, shuffled anew in each epoch; the last partial batch is dropped.

    `who` says which rows go through the augmentations `names`: copies, all or none; the others are centre crops.
    """

    rows: Rows
    batch: int
    names: tuple[str, ...]
    who: augment.Augmented
    workers: int

    def __post_init__(self) -> None:
        if len(self) == 0:
            few = f"is more than the {len(self.rows)} rows of a fold"
            raise Refusal(f"--batch {self.batch}: {few}; give a smaller --batch")
        if self.names and self.who != "none" and not self.chosen.any():
            print(f"nothing is augmented: --augment {self.who}, and no row is a copy", file=sys.stderr)

    @property
    def chosen(self) -> np.ndarray:
        """(rows,) bool: which rows are augmented."""
        return {
            "copies": self.rows.column("copy"),
            "all": ~np.zeros(len(self.rows), bool),
            "none": np.zeros(len(self.rows), bool),
        }[self.who]

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.rows) // self.batch

    def epoch(self, key: Key, share: tuple[int, int] = (0, 1)) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images uint8 (b, 3, h, w), labels int64 (b,)) for each batch of the epoch `key`.

        `share` (rank, world): that rank's part of each batch, b = batch / world; the images of all ranks together
        are those of one, pixel by pixel.
        """
        shuffled = np.random.default_rng(key).permutation(len(self.rows))
        order = shuffled[: len(self) * self.batch].reshape(len(self), self.batch)
        mine = np.split(np.arange(self.batch), share[1])[share[0]]
        label = self.rows.column("label")
        pixel = self.rows.column("pixel")
        made = self._augmented(order, mine, key)
        for rows, (where, images) in zip(order[:, mine], made, strict=True):
            batch = self.rows.pixels.centre(pixel[rows])
            batch[where] = images
            yield as_images(batch), torch.from_numpy(label[rows])

    def _augmented(self, order: np.ndarray, mine: np.ndarray, key: Key) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each batch, the places among `mine` that are augmented and their images, to be read before the next."""
        where = self.chosen[order[:, mine]] & bool(self.names)
        if not where.any():
            return ((np.empty(0, np.int64), np.empty((0, *self.rows.pixels.size, 3), np.uint8)) for _ in order)
        # one more than the workers may be ahead: what is being read is not written over
        shape = (self.workers * AHEAD + 1, where.sum(1).max(), *self.rows.pixels.size, 3)
        source = _Augmented(self.rows, order, mine, where, self.names, key, _shared(shape))
        made = torch.utils.data.DataLoader(
            source,
            batch_size=None,
            num_workers=self.workers,
            prefetch_factor=AHEAD if self.workers else None,
            # the ring is inherited, nothing is pickled, and a fold's own worker process may have workers too
            multiprocessing_context="fork" if self.workers else None,
        )
        return (source.made(number) for number in made)


def _shared(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros, uint8, that forked processes share; not in /dev/shm, which is small in a container."""
    return np.frombuffer(mmap.mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)


class _Augmented(torch.utils.data.Dataset):
    """Item k: k itself, once what is augmented among `mine`, this rank's places in batch k, stands in the ring."""

    def __init__(
        self,
        rows: Rows,
        order: np.ndarray,
        mine: np.ndarray,
        where: np.ndarray,
        names: tuple[str, ...],
        key: Key,
        ring: np.ndarray,
    ):
        self.pixels, self.pixel, self.key = rows.pixels, rows.column("pixel"), key
        self.order, self.mine, self.where = order, mine, where
        self.transform, self.whole = augment.pipeline(names, rows.pixels.size), augment.needs_whole_frame(names)
        self.ring = ring

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, number: int) -> int:
        where, images = self.made(number)
        for at, place in enumerate(self.mine[where]):
            pixel = self.pixel[self.order[number, place]]
            frame = self.pixels.array[pixel] if self.whole else self.pixels.middle(pixel)
            drawn = seed(*self.key, number * self.order.shape[1] + int(place))
            images[at] = augment.apply(self.transform, frame, drawn)
        return number

    def made(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Where in `mine` batch `number` is augmented, and where in the ring their images stand."""
        where = np.flatnonzero(self.where[number])
        return where, self.ring[number % len(self.ring)][: len(where)]


def in_order(rows: Rows, batch: int) -> Iterator[torch.Tensor]:
    """The rows' centre crops as they are, in order; the last batch may be smaller."""
    pixel = rows.column("pixel")
    for start in range(0, len(rows), batch):
        yield as_images(rows.pixels.centre(pixel[start : start + batch]))
