"""Where the face of each photograph is, from a CSV of file,left,top,width,height, and the crop that follows from it.

`file` is a training image as in rows.csv (train/images/PERSON/STEM.jpg), a test image as in test.csv (its ImageID), or
the name of any other photograph; the numbers are pixels of the photograph as people see it, not turned.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core import disk
from core.refusal import Refusal

COLUMNS = ("file", "left", "top", "width", "height")


class Box(NamedTuple):
    """In pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Boxes:
    """The boxes of a file, and the share of a box that is added on each side of it."""

    source: Path
    margin: float
    by_file: dict[str, Box] = field(repr=False)

    @property
    def digest(self) -> str:
        """Of what decides a crop."""
        return disk.text_digest("\n".join([f"{self.margin}", *(f"{name} {box}" for name, box in self.by_file.items())]))

    def of(self, file: Path) -> Box:
        """The box of a photograph. Refuses one that has none."""
        parts = file.parts[-4:]
        name = "/".join(parts) if parts[:2] == ("train", "images") else file.name
        if name not in self.by_file:
            raise Refusal(f"--boxes {self.source}: has no row for {name}; make boxes writes one for each photograph")
        return self.by_file[name]

    def require(self, files: Iterable[Path]) -> None:
        """Refuses photographs of which one has no box."""
        for file in files:
            self.of(file)

    def crop(self, file: Path, frame: tuple[int, ...], shape: tuple[int, int]) -> tuple[slice, slice]:
        """What a net sees of a photograph of this frame (height, width): its box with the margin, grown to the aspect
        of `shape` (height, width), made smaller if the frame is, and moved inside. Refuses a box outside the frame."""
        box = self.of(file)
        if box.left < 0 or box.top < 0 or box.left + box.width > frame[1] or box.top + box.height > frame[0]:
            raise Refusal(
                f"--boxes {self.source}: the box of {file.name} lies outside its {frame[0]}x{frame[1]} pixels"
            )
        height, width = (side * (1 + 2 * self.margin) for side in (box.height, box.width))
        height, width = max(height, width * shape[0] / shape[1]), max(width, height * shape[1] / shape[0])
        fits = min(1, frame[0] / height, frame[1] / width)
        sides = round(height * fits), round(width * fits)
        centres = box.top + box.height / 2, box.left + box.width / 2
        starts = [
            min(max(round(centre - side / 2), 0), whole - side)
            for centre, side, whole in zip(centres, sides, frame, strict=False)
        ]
        return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])


def read(source: Path, margin: float) -> Boxes:
    """The boxes in this CSV. Refuses: a number that is none, a side of nothing, or a file that stands twice."""
    found: dict[str, Box] = {}
    frame = disk.read_csv(source, COLUMNS)
    for line, (name, *numbers) in enumerate(frame[list(COLUMNS)].itertuples(index=False), 2):
        try:
            box = Box(*(round(float(number)) for number in numbers))
        except (ValueError, OverflowError):
            raise Refusal(f"{source} line {line}: {', '.join(numbers)} are not four numbers of pixels") from None
        if box.width < 1 or box.height < 1:
            raise Refusal(f"{source} line {line}: the box of {name} is {box.width}x{box.height} pixels")
        if name in found:
            raise Refusal(f"{source} line {line}: {name} stands twice; remove one")
        found[name] = box
    return Boxes(source, margin, found)
