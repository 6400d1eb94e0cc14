"""The decoded store: every image of a data set is decoded and cropped once, into one memory-mapped uint8 array."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, places
from core.data.table import Table
from core.images import decode
from core.refusal import Refusal

#: Files that a decoding thread takes at a time: handing over one by one costs as much as decoding.
CHUNK = 32


@dataclass(frozen=True)
class Store:
    """`array` (n, h, w, 3) uint8 holds the crop, or the whole frame; `size` (height, width) is what a net sees."""

    array: np.ndarray
    size: tuple[int, int]

    def centre(self, which: np.ndarray) -> np.ndarray:
        """(len(which), height, width, 3): the centre crops of these pixels, copied in one gather."""
        return self.array[which][(slice(None), *decode.middle(self.array.shape[1:3], self.size))]

    def middle(self, which: int) -> np.ndarray:
        """(height, width, 3): one centre crop, to be read only; the stored pixels themselves where these are crops."""
        return np.ascontiguousarray(self.array[which][decode.middle(self.array.shape[1:3], self.size)])


def cache(root: Path) -> Path:
    """Where what is derived from a data folder is kept."""
    return places.caches() / f"{root.resolve().name}-{disk.text_digest(str(root.resolve()))[:8]}"


def open_store(table: Table, crop: tuple[int, int], scale: float = 1.0, whole: bool = False) -> Store:
    """The decoded store of all train and test images of `table`, built if it is not there or any file changed.

    One process builds while others wait. The store of these files as they were before a change is removed; who has
    it open keeps it.

    Args:
        crop: (height, width) of the centre crop, in pixels of the photographs.
        scale: shrinks what is stored by area interpolation.
        whole: store the whole frame, for a kernel that crops at random.

    Raises:
        Refusal: an image that cannot be read or is smaller than the crop, or too little disk.
    """
    files = [*table.train.column("file"), *table.test.column("file")]
    stats = [os.stat(table.root / file) for file in files]
    what = disk.text_digest("\n".join([f"{crop} {scale} {whole}", *files]))[:16]
    state = disk.text_digest("\n".join(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats))[:16]
    path = cache(table.root) / f"pixels-{what}-{state}.npy"
    with disk.lock(path.with_name(f"pixels-{what}.lock"), f"the store {path}", wait=True):
        if not path.is_file():
            for old in path.parent.glob(f"pixels-{what}-*.npy"):
                old.unlink()  # many gigabytes that nothing will open again
            _build(
                path,
                path.with_name(f"pixels-{what}.building"),
                [table.root / file for file in files],
                crop,
                scale,
                whole,
            )
        return Store(np.load(path, mmap_mode="r", allow_pickle=False), decode.net_size(crop, scale))


def _build(path: Path, beside: Path, files: list[Path], crop: tuple[int, int], scale: float, whole: bool) -> None:
    """Fill `beside` on all cores, then rename it to `path`; what a killed build left is written over."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    first = decode.prepare(files[0], crop, scale, whole)
    disk.require_room(path.parent, len(files) * first.nbytes, "the decoded store")
    try:
        array = np.lib.format.open_memmap(beside, "w+", np.uint8, (len(files), *first.shape))
        some = [slice(start, start + CHUNK) for start in range(0, len(files), CHUNK)]
        work = (delayed(_fill)(array[each], files[each], crop, scale, whole) for each in some)
        wrong: list[str] = []
        with tqdm(desc="decoding", total=len(files), unit="img", disable=None) as bar:
            for lines in Parallel(n_jobs=-1, prefer="threads", return_as="generator")(work):
                wrong += filter(None, lines)
                bar.update(len(lines))
        if wrong:
            raise Refusal(wrong[0] + (f" ({len(wrong) - 1} more like it)" if len(wrong) > 1 else ""))
        array.flush()
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _fill(places: np.ndarray, files: list[Path], crop: tuple[int, int], scale: float, whole: bool) -> list[str]:
    """Write images where they belong; says of each what is wrong with it, so that all that are wrong can be counted."""
    return [_fill_one(*each, crop, scale, whole) for each in zip(places, files, strict=True)]


def _fill_one(place: np.ndarray, file: Path, crop: tuple[int, int], scale: float, whole: bool) -> str:
    try:
        image = decode.prepare(file, crop, scale, whole)
    except Refusal as refusal:
        return str(refusal)
    if image.shape != place.shape:
        sizes = " where others are ".join(f"{height}x{width}" for height, width, _ in (image.shape, place.shape))
        return f"{file}: is {sizes}; frames must be of one size"
    place[:] = image
    return ""
