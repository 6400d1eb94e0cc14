"""Rows as batches of uint8 images: plain rows in one gather, augmented rows made ahead by workers.

Workers write into memory that they share with the loader, so no image is pickled or sent. Everything drawn is keyed by
(seed, fold, phase, epoch) and the image's position in the epoch, so neither workers nor a restart change a batch.
"""

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

    `augmented`: which rows go through the augmentations `names`, copies, all or none; the others are centre crops.
    `target`: the column that is learnt, or several.
    """

    rows: Rows
    batch: int
    names: tuple[augment.Augmentation, ...]
    augmented: augment.Augmented
    workers: int
    target: str | tuple[str, ...] = "label"

    def __post_init__(self) -> None:
        if len(self) == 0:
            raise Refusal(
                f"--batch {self.batch}: is more than the {len(self.rows)} rows of a fold; give a smaller --batch"
            )
        if self.names and self.augmented != "none" and not self.row_is_augmented.any():
            print(f"nothing is augmented: --augment {self.augmented}, and no row is a copy", file=sys.stderr)

    @property
    def row_is_augmented(self) -> np.ndarray:
        """(rows,) bool."""
        none = np.zeros(len(self.rows), bool)
        return {"copies": self.rows.column("copy"), "all": ~none, "none": none}[self.augmented]

    @property
    def targets(self) -> np.ndarray:
        """(rows,), or (rows, k) of k columns, in their own dtype: int64 of label and age."""
        return self.rows.frame[self.target if isinstance(self.target, str) else list(self.target)].to_numpy()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.rows) // self.batch

    def epoch(self, key: Key, share: tuple[int, int] = (0, 1)) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images uint8 (b, 3, h, w), targets (b,) or (b, k)) for each batch of the epoch `key`.

        `share` (rank, world): that rank's part of each batch, b = batch / world; all ranks' images are those of one.
        """
        shuffled = np.random.default_rng(key).permutation(len(self.rows))
        order = shuffled[: len(self) * self.batch].reshape(len(self), self.batch)
        places = np.split(np.arange(self.batch), share[1])[share[0]]
        targets, image_index = self.targets, self.rows.column("image_index")
        made = self._augment(order, places, key)
        for rows, (where, images) in zip(order[:, places], made, strict=True):
            batch = self.rows.opened_store.centre_crops(image_index[rows])
            batch[where] = images
            yield as_images(batch), torch.from_numpy(targets[rows])

    def _augment(self, order: np.ndarray, places: np.ndarray, key: Key) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each batch, where in `places` it is augmented and these images, to be read before the next."""
        where = self.row_is_augmented[order[:, places]] & bool(self.names)
        if not where.any():
            return ((np.empty(0, np.int64), np.empty((0, *self.rows.opened_store.size, 3), np.uint8)) for _ in order)
        source = _AugmentedBatches(self, order, places, where, key)
        # forked: the ring is inherited, nothing is pickled, and a fold's own worker process may have workers too
        context, ahead = ("fork", AHEAD) if self.workers else (None, None)
        made = torch.utils.data.DataLoader(
            source, batch_size=None, num_workers=self.workers, prefetch_factor=ahead, multiprocessing_context=context
        )
        return (source.made(number) for number in made)


class _AugmentedBatches(torch.utils.data.Dataset):
    """Item k: k itself, once the augmented images among `places`, this rank's part of batch k, stand in the ring."""

    def __init__(self, loader: Loader, order: np.ndarray, places: np.ndarray, where: np.ndarray, key: Key):
        self.store, self.image_index, self.key = loader.rows.opened_store, loader.rows.column("image_index"), key
        self.order, self.places, self.where = order, places, where
        # one more than the workers may be ahead: what is being read is not written over
        shape = (loader.workers * AHEAD + 1, where.sum(1).max(), *self.store.size, 3)
        # zeros that forked processes share; not in /dev/shm, which is small in a container
        self.ring = np.frombuffer(mmap.mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)
        self.transform = augment.pipeline(loader.names, self.store.size)
        self.from_full_frame = "random_crop" in loader.names

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, number: int) -> int:
        where, images = self.made(number)
        for at, place in enumerate(self.places[where]):
            index = self.image_index[self.order[number, place]]
            frame = self.store.array[index] if self.from_full_frame else self.store.centre_crop(index)
            drawn = seed(*self.key, number * self.order.shape[1] + int(place))
            images[at] = augment.apply(self.transform, frame, drawn)
        return number

    def made(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Where in `places` batch `number` is augmented, and where in the ring these images stand."""
        where = np.flatnonzero(self.where[number])
        return where, self.ring[number % len(self.ring)][: len(where)]


def in_order(rows: Rows, batch: int) -> Iterator[torch.Tensor]:
    """The rows' centre crops as they are, in order; the last batch may be smaller."""
    image_index = rows.column("image_index")
    for start in range(0, len(rows), batch):
        yield as_images(rows.opened_store.centre_crops(image_index[start : start + batch]))
