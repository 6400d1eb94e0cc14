"""Draws what each augmentation does to one face of a competition folder.

    python -m core.reports.augmentations DATA PICTURE.png

The picture is a PNG or a JPEG, by its ending.
"""

import sys
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from core import disk, recipe
from core.data import competition
from core.data.table import Table
from core.images import augment, decode
from core.images.decode import Framing
from core.refusal import Refusal
from core.reports import plots

FRAMING = Framing((360, 240))


def draw(table: Table) -> Figure:
    """A figure with the centre crop of the first training face without a mask and, for each augmentation, its result
    with five seeds. Random crops are cut out of the full frame."""
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
    (folder, path), _ = recipe.parse_words(recipe.NoFlags, [2], "two words: DATA PICTURE.png", argv)
    picture = Path(path)
    if picture.suffix not in competition.ENDINGS or not picture.parent.is_dir():
        raise Refusal(f"{picture}: must be a .png or .jpg file in a folder that exists")
    figure = draw(competition.load(Path(folder)))
    disk.write(picture, lambda temporary: figure.savefig(temporary, dpi=72, format=picture.suffix[1:].lower()))


if __name__ == "__main__":
    main(sys.argv[1:])
