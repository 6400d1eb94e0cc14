"""Pixels: every image of a data set is decoded and cropped once, into one memory-mapped uint8 array.

Images are RGB, (height, width, 3). What cannot be read is named before anything trains.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, places
from core.refusal import Refusal, first_line
from core.table import Table

#: Files that a decoding thread takes at a time: handing over one by one costs as much as decoding.
CHUNK = 32
JPEG_START, JPEG_END, PNG_END = b"\xff\xd8", b"\xff\xd9", b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class Store:
    """`array` (n, h, w, 3) uint8 holds the crop, or the whole frame; `size` (height, width) is what a net sees."""

    array: np.ndarray
    size: tuple[int, int]

    def centre(self, which: np.ndarray) -> np.ndarray:
        """(len(which), height, width, 3): the centre crops of these pixels, copied in one gather."""
        return self.array[which][(slice(None), *middle(self.array.shape[1:3], self.size))]

    def middle(self, which: int) -> np.ndarray:
        """(height, width, 3): one centre crop, to be read only; the stored pixels themselves where these are crops."""
        return np.ascontiguousarray(self.array[which][middle(self.array.shape[1:3], self.size)])


def middle(frame: tuple[int, ...], size: tuple[int, int]) -> tuple[slice, slice]:
    """The centre crop of a frame (height, width), as slices."""
    top, left = (frame[0] - size[0]) // 2, (frame[1] - size[1]) // 2
    return slice(top, top + size[0]), slice(left, left + size[1])


def net_size(crop: tuple[int, int], scale: float) -> tuple[int, int]:
    """(height, width) that a net sees of a crop at this scale."""
    return max(1, round(crop[0] * scale)), max(1, round(crop[1] * scale))


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
        return Store(np.load(path, mmap_mode="r", allow_pickle=False), net_size(crop, scale))


def _build(path: Path, beside: Path, files: list[Path], crop: tuple[int, int], scale: float, whole: bool) -> None:
    """Fill `beside` on all cores, then rename it to `path`; what a killed build left is written over."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    first = prepare(files[0], crop, scale, whole)
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
        image = prepare(file, crop, scale, whole)
    except Refusal as refusal:
        return str(refusal)
    if image.shape != place.shape:
        sizes = " where others are ".join(f"{height}x{width}" for height, width, _ in (image.shape, place.shape))
        return f"{file}: is {sizes}; frames must be of one size"
    place[:] = image
    return ""


def prepare(file: Path, crop: tuple[int, int], scale: float = 1.0, whole: bool = False) -> np.ndarray:
    """One file as the store keeps it. Training, held-out, test and any later image go through here alike.

    Raises:
        Refusal: the file cannot be decoded whole, or is smaller than the crop.
    """
    import cv2

    image = decode(file)
    if image.shape[0] < crop[0] or image.shape[1] < crop[1]:
        raise Refusal(
            f"{file}: is {image.shape[0]}x{image.shape[1]}, smaller than the crop {crop[0]}x{crop[1]}; give a smaller --crop HEIGHT,WIDTH"
        )
    if not whole:
        image = image[middle(image.shape, crop)]
    if scale != 1:
        height, width = net_size(image.shape[:2], scale)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image)


def decode(file: Path) -> np.ndarray:
    """(height, width, 3) uint8 RGB.

    OpenCV fills the missing part of a truncated file with grey and says so only on stderr; so a
    file without its end mark is given to Pillow, which refuses it.
    """
    import cv2

    try:
        data = file.read_bytes()
    except OSError as error:
        raise Refusal(f"{file}: cannot be read ({error.strerror})") from None
    ends = JPEG_END if data.startswith(JPEG_START) else PNG_END
    if data.rstrip(b"\0").endswith(ends):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            return image
    return _decode_strictly(file)


def _decode_strictly(file: Path) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise Refusal(
            f"{file}: cannot be decoded ({first_line(error)}); restore it, or remove it to train without"
        ) from None
