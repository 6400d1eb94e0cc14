"""A look at a competition folder: its people, or what each augmentation makes of one face.

    python -m core.reports.gallery people DATA PICTURE.png
    python -m core.reports.gallery augmentations DATA PICTURE.png

Training images only; the picture is a PNG or a JPEG, by its ending.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import labels, recipe
from core.data import competition
from core.data.table import Table
from core.images import augment, decode
from core.images.decode import Framing
from core.refusal import Refusal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8
CROP = Framing((360, 240))


def people(table: Table) -> Figure:
    """Three rows (mask worn, wrong, none) for each gender; a column is one person, ages rise to the right."""
    from matplotlib.figure import Figure

    figure = Figure((COLUMNS * 1.5, 13.6), layout="constrained")
    grid = figure.subplots(6, COLUMNS)
    frame = table.train.frame
    for gender in (0, 1):
        theirs = frame[frame["gender"] == gender].drop_duplicates("person").sort_values("age", kind="stable")
        chosen = theirs.iloc[np.linspace(0, len(theirs) - 1, COLUMNS).round().astype(int)]
        for column, person in enumerate(chosen.itertuples()):
            hers = frame[frame["person"] == person.person]
            for state in range(3):
                axes = grid[gender * 3 + state, column]
                axes.axis("off")
                for file in hers["file"][hers["label"] // 6 == state].head(1):
                    axes.imshow(decode.prepare(table.root / file, CROP))
                axes.set_title(f"{labels.GENDER[gender]}, {person.age}\n{labels.MASK[state]}", fontsize=9)
    return figure


def augmentations(table: Table) -> Figure:
    """For each augmentation the centre crop and what five seeds draw; random crops come from the whole frame."""
    from matplotlib.figure import Figure

    face = table.root / table.train.frame["file"][table.train.column("label") // 6 == 2].iloc[0]
    crop = decode.prepare(face, CROP)
    frame = decode.prepare(face, replace(CROP, whole=True))
    figure = Figure((15, 12.6), layout="constrained")
    grid = figure.subplots(6, 13, width_ratios=[1] * 6 + [0.3] + [1] * 6)
    for axes in grid.ravel():
        axes.axis("off")
    for number, name in enumerate(augment.NAMES):
        row, start = number % 6, number // 6 * 7  # a gap between the two halves
        transform = augment.pipeline((name,), CROP.crop)
        for each in transform.transforms:
            each.p = 1.0
        drawn = [augment.apply(transform, frame if name == "random_crop" else crop, seed) for seed in range(5)]
        for axes, image in zip(grid[row, start : start + 6], [crop, *drawn], strict=True):
            axes.imshow(image)
        grid[row, start].set_title("as it is", fontsize=10)
        grid[row, start + 3].set_title(name, fontsize=13)
    return figure


def main(argv: list[str]) -> None:
    drawn = {"people": people, "augmentations": augmentations}
    needs = "what, a folder and a picture: people|augmentations DATA PICTURE.png"
    (what, folder, path), _ = recipe.parse_words(recipe.NoFlags, [3], needs, argv)
    picture = Path(path)
    if what not in drawn:
        raise Refusal(f"{what}: is none of {', '.join(drawn)}; needs {needs}")
    if picture.suffix not in competition.ENDINGS or not picture.parent.is_dir():
        raise Refusal(f"{picture}: must be a .png or .jpg file in a folder that is there")
    drawn[what](competition.load(Path(folder))).savefig(picture, dpi=72)


if __name__ == "__main__":
    main(sys.argv[1:])
