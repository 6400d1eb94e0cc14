"""The decoded store: every image of a data set is decoded and cropped once, into one memory-mapped uint8 array."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, places
from core.data.table import Table
from core.images import decode
from core.images.decode import Framing
from core.refusal import Refusal

#: Files that a decoding thread takes at a time: handing over one by one costs as much as decoding.
CHUNK = 32


@dataclass
class Store:
    """`array` (n, h, w, 3) uint8 holds the crop, or the whole frame; `size` (height, width) is what a net sees;
    `images` is a digest of the files' bytes, `extra` of those that are for training only."""

    array: np.ndarray
    size: tuple[int, int]
    images: str = ""
    extra: str = ""

    def centre_crops(self, index: np.ndarray) -> np.ndarray:
        """(len(index), height, width, 3): the centre crops of these images, copied in one gather."""
        return self.array[index][(slice(None), *decode.centre_crop(self.array.shape[1:3], self.size))]

    def centre_crop(self, index: int) -> np.ndarray:
        """(height, width, 3): one centre crop, to be read only; the stored pixels themselves where these are crops."""
        return np.ascontiguousarray(self.array[index][decode.centre_crop(self.array.shape[1:3], self.size)])


def cache(root: Path) -> Path:
    """Where what is derived from a data folder is kept."""
    return places.caches() / f"{root.resolve().name}-{disk.text_digest(str(root.resolve()))[:8]}"


def open_store(table: Table, framing: Framing) -> Store:
    """The decoded store of all train, test and extra images of `table`, built if it is not there or any file changed.

    One process builds while others wait. The store from before a change is removed; who has it open can read on.

    Refuses: an image that cannot be read or is smaller than the crop, or too little disk."""
    files, own = table.files, len(table.train) + len(table.test)
    stats = [os.stat(table.root / file) for file in files]
    key = f"{framing.crop} {framing.scale} {framing.whole}"
    if framing.boxes:
        framing.boxes.require(table.root / file for file in files)
        key += f" {framing.boxes.digest}"
    content = disk.text_digest("\n".join([key, *files]))[:16]
    state = disk.text_digest("\n".join(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats))[:16]
    path = cache(table.root) / f"pixels-{content}-{state}.npy"
    with disk.lock(path.with_name(f"pixels-{content}.lock"), f"the store {path}", wait=True):
        images = path.with_name(f"images-{content}-{state}.sha256")
        if not (path.is_file() and images.is_file()):
            for old in path.parent.glob(f"*-{content}-*"):
                old.unlink()  # many gigabytes that nothing will open again
            temporary = path.with_name(f"pixels-{content}.building")
            digests = _build(path, temporary, [table.root / file for file in files], framing)
            if twice := set(digests[:own]) & set(digests[own:]):
                file = files[own + digests[own:].index(min(twice))]
                raise Refusal(f"{file}: is also a photograph of {table.root}, byte for byte; --extra needs other ones")
            parts = (digests[:own], digests[own:])
            disk.write_text(images, "\n".join(disk.text_digest("\n".join(part)) for part in parts))
            height, width = framing.size
            how = " in whole frames" if framing.whole else f" by {framing.boxes.source.name}" if framing.boxes else ""
            seen = f"{height}x{width}{how}"
            disk.write_json(
                path.with_name(f"about-{content}.json"), {"data": str(table.root.resolve()), "framing": seen}
            )
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))  # used last
        return Store(_mapped(path), framing.size, *images.read_text(encoding="utf-8").split())


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise Refusal(f"{path}: is damaged; remove it, and it is made again") from None


def _build(path: Path, temporary: Path, files: list[Path], framing: Framing) -> list[str]:
    """Fill `temporary` on all cores, then rename it to `path`; what a killed build left is written over. The digest
    of each file's bytes."""
    from joblib import cpu_count
    from tqdm import tqdm

    first = decode.prepare(files[0], framing)
    disk.require_room(path.parent, len(files) * first.nbytes, "the decoded store")
    try:
        array = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(files), *first.shape))
        with (
            disk.named(temporary),
            open(temporary, "r+b") as file,
        ):  # a page of a mapped file without room would end the process
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(files), CHUNK)]
        wrong: list[str] = []
        digests: list[str] = []
        with (
            tqdm(desc="decoding", total=len(files), unit="img", disable=None) as bar,
            ThreadPoolExecutor(cpu_count(), "decode") as pool,
        ):
            filling = [pool.submit(_fill, array[chunk], files[chunk], framing) for chunk in chunks]
            try:
                for chunk in filling:
                    lines, own = zip(*chunk.result(), strict=True)
                    wrong += filter(None, lines)
                    digests += own
                    bar.update(len(lines))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: no thread may outlive the interpreter
        if wrong:
            raise Refusal(wrong[0] + (f" ({len(wrong) - 1} more like it)" if len(wrong) > 1 else ""))
        array.flush()
        os.replace(temporary, path)
        return digests
    finally:
        temporary.unlink(missing_ok=True)


def _fill(images: np.ndarray, files: list[Path], framing: Framing) -> list[tuple[str, str]]:
    """Write each file's image in its place; returns what is wrong with each, so that all that are can be counted, and
    the digest of its bytes."""
    lines = (_fill_one(image, file, framing) for image, file in zip(images, files, strict=True))
    return [(line, "" if line else disk.digest(file)) for line, file in zip(lines, files, strict=True)]


def _fill_one(image: np.ndarray, file: Path, framing: Framing) -> str:
    try:
        prepared = decode.prepare(file, framing)
    except Refusal as refusal:
        return str(refusal)
    if prepared.shape != image.shape:
        sizes = " where others are ".join(f"{height}x{width}" for height, width, _ in (prepared.shape, image.shape))
        return f"{file}: is {sizes}; frames must be of one size"
    image[:] = prepared
    return ""
