"""Draws a picture of a competition folder: its people, or what each augmentation does to one face.

    python -m core.reports.gallery people DATA PICTURE.png
    python -m core.reports.gallery augmentations DATA PICTURE.png

Training images only. The picture is a PNG or a JPEG, by its ending.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from core import disk, labels, recipe
from core.data import competition
from core.data.table import Table
from core.images import augment, decode
from core.images.decode import Framing
from core.refusal import Refusal
from core.reports import plots

COLUMNS = 8
FRAMING = Framing((360, 240))


def people(table: Table) -> Figure:
    """A figure of eight men and eight women, a person per column, age rising to the right.
    The three rows of a gender are mask worn, worn wrong and none."""
    figure = Figure((COLUMNS * 1.5, 13.6), layout="constrained")
    grid = figure.subplots(6, COLUMNS, subplot_kw=plots.BARE)
    frame = table.train.frame
    for gender in (0, 1):
        persons = frame[frame["gender"] == gender].drop_duplicates("person").sort_values("age", kind="stable")
        chosen = persons.iloc[np.linspace(0, len(persons) - 1, COLUMNS).round().astype(int)]
        for column, person in enumerate(chosen.itertuples()):
            images = frame[frame["person"] == person.person]
            for state in range(3):
                axes = grid[gender * 3 + state, column]
                for file in images["file"][images["label"] // 6 == state].head(1):
                    axes.imshow(decode.prepare(table.root / file, FRAMING))
                axes.set_title(f"{labels.GENDER[gender]}, {person.age}\n{labels.MASK[state]}", fontsize=9)
    return figure


def augmentations(table: Table) -> Figure:
    """A figure with the centre crop of one face and, for each augmentation, its result with five seeds.
    Random crops are cut out of the full frame."""
    file = table.root / table.train.frame["file"][table.train.column("label") // 6 == 2].iloc[0]
    centre_crop = decode.prepare(file, FRAMING)
    full_frame = decode.prepare(file, replace(FRAMING, whole=True))
    figure = Figure((15, 12.6), layout="constrained")
    grid = figure.subplots(6, 13, width_ratios=[1] * 6 + [0.3] + [1] * 6, subplot_kw=plots.BARE)
    for number, name in enumerate(augment.NAMES):
        row, start = number % 6, number // 6 * 7  # a gap between the two halves
        pipeline = augment.pipeline((name,), FRAMING.crop)
        for transform in pipeline.transforms:
            transform.p = 1.0
        image = full_frame if name == "random_crop" else centre_crop
        augmented = [augment.apply(pipeline, image, seed) for seed in range(5)]
        for axes, shown in zip(grid[row, start : start + 6], [centre_crop, *augmented], strict=True):
            axes.imshow(shown)
        grid[row, start].set_title("original", fontsize=10)
        grid[row, start + 3].set_title(name, fontsize=13)
    return figure


def main(argv: list[str]) -> None:
    figures = {"people": people, "augmentations": augmentations}
    needs = "three words: people|augmentations DATA PICTURE.png"
    (kind, folder, path), _ = recipe.parse_words(recipe.NoFlags, [3], needs, argv)
    picture = Path(path)
    if kind not in figures:
        raise Refusal(f"{kind}: is none of {', '.join(figures)}; needs {needs}")
    if picture.suffix not in competition.ENDINGS or not picture.parent.is_dir():
        raise Refusal(f"{picture}: must be a .png or .jpg file in a folder that exists")
    figure = figures[kind](competition.load(Path(folder)))
    disk.write(picture, lambda temporary: figure.savefig(temporary, dpi=72, format=picture.suffix[1:].lower()))


if __name__ == "__main__":
    main(sys.argv[1:])
