"""A look at a competition folder: people from young to old, with the mask worn, worn wrong and not worn.

    python -m core.gallery DATA PICTURE.png

Training images only; the picture is a PNG.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import data, images, labels
from core.refusal import Refusal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8
CROP = (360, 240)


def gallery(table: data.Table) -> Figure:
    """Three rows (mask worn, wrong, none) for each gender; a column is one person, ages rise to the right."""
    from matplotlib.figure import Figure

    figure = Figure((COLUMNS * 1.5, 13.6), layout="constrained")
    grid = figure.subplots(6, COLUMNS)
    frame = table.train.frame
    for gender in (0, 1):
        people = frame[frame["gender"] == gender].drop_duplicates("person").sort_values("age", kind="stable")
        chosen = people.iloc[np.linspace(0, len(people) - 1, COLUMNS).round().astype(int)]
        for column, person in enumerate(chosen.itertuples()):
            hers = frame[frame["person"] == person.person]
            for state in range(3):
                axes = grid[gender * 3 + state, column]
                axes.axis("off")
                for file in hers["file"][hers["label"] // 6 == state].head(1):
                    axes.imshow(images.prepare(table.root / file, CROP))
                axes.set_title(f"{labels.GENDER[gender]}, {person.age}\n{labels.MASK[state]}", fontsize=9)
    return figure


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise Refusal("needs a folder and a picture: python -m core.gallery DATA PICTURE.png")
    gallery(data.load(Path(sys.argv[1]))).savefig(sys.argv[2], dpi=72)
