"""Pictures of a run, from its files: curves, confusion matrices, accuracy by age, the worst mistakes.

python -m core.reports.plots v5_multitask/effb0     draws the report again
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core import disk, labels, places, recipe, score
from core.images import decode
from core.images.decode import Framing
from core.runs import foldrun, reader
from core.runs.foldrun import Epoch
from core.runs.manifest import age_boundaries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rows and columns of a contact sheet.
SHEET = (4, 6)
#: Axes of a photograph.
BARE = {"frame_on": False, "xticks": (), "yticks": ()}
DARK, LIGHT = "#1d3557", "#a8b8c8"


def report(folder: Path, root: Path) -> None:
    """Draw folder/report/*.png for the run in `folder` whose folds are all trained.
    The worst mistakes are left out if a photograph is missing below the data folder `root`."""
    rows = pd.read_csv(folder / "rows.csv", dtype={"file": str, "person": str})
    probs = np.load(folder / "oof.npy", allow_pickle=False)
    covered = ~np.isnan(probs[:, 0])
    rows, probs = rows[covered].reset_index(drop=True), probs[covered]
    trained_with = disk.read_json(folder / "start.json")["recipe"]
    fold_folders = sorted((folder / "folds").iterdir(), key=lambda path: int(path.name))
    boundaries = age_boundaries(trained_with)
    figures = {
        "curves": curves([foldrun.read_log(path) for path in fold_folders]),
        "confusion_18": confusion_18(rows, probs),
        "confusion_parts": confusion_parts(rows, probs),
        "classes": classes(rows, probs),
        "accuracy_by_age": accuracy_by_age(rows, probs, boundaries),
    }
    if all((root / file).is_file() for file in rows["file"]):
        figures["worst_mistakes"] = worst_mistakes(rows, probs, root, tuple(trained_with["crop"]))
    (folder / "report").mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / "report" / f"{name}.png", dpi=110)


def _figure(width: float, height: float) -> Figure:
    """Made without pyplot, which keeps global state; imported late, for a broken matplotlib must not lose a run."""
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def curves(folds: list[list[Epoch]]) -> Figure:
    """Losses, held-out scores of all and of each task, and learning rate by epoch, a line per fold; dashed lines
    between the phases."""
    figure = _figure(18, 7)
    scores = {"macro_f1": "held-out macro F1", "accuracy": "held-out accuracy"}
    tasks = {task: f"held-out accuracy of {task}" for task in labels.TASKS}
    titles = {"loss": "training loss", "held_out_loss": "held-out log loss", **scores, **tasks, "lr": "learning rate"}
    for axes, (name, title) in zip(figure.subplots(2, 4).flat, titles.items(), strict=True):
        for number, fold in enumerate(folds):
            values = np.array([dict(row).get(name) for row in fold], float)  # None is NaN
            axes.plot(np.arange(1, len(values) + 1), values, marker="o", markersize=4, label=f"fold {number}")
        phases = np.array([row["phase"] for fold in folds[:1] for row in fold])
        for last in np.flatnonzero(phases[1:] != phases[:-1]):
            axes.axvline(last + 1.5, color=LIGHT, linestyle="--")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    return figure


def confusion_18(rows: pd.DataFrame, probs: np.ndarray) -> Figure:
    """Confusion matrix of the 18 classes: shares of each true class as colours, counts as numbers.
    `rows` has label (0..17), a row per image; `probs` are (n, 18) out-of-fold probabilities."""
    figure = _figure(13, 11)
    counts = score.confusion(rows["label"].to_numpy(), probs.argmax(1))
    _matrix(figure.subplots(), counts, labels.CLASSES, f"all 18 classes: macro F1 {score.f1(counts).mean():.4f}")
    return figure


def confusion_parts(rows: pd.DataFrame, probs: np.ndarray) -> Figure:
    """Confusion matrices of mask, gender and age alone; arguments as in `confusion_18`."""
    figure = _figure(15, 5.2)
    parts = zip(labels.split(rows["label"].to_numpy()), labels.split(probs.argmax(1)), strict=True)
    for axes, (task, names), (true, predicted) in zip(figure.subplots(1, 3), labels.TASKS.items(), parts, strict=True):
        counts = score.confusion(true, predicted, len(names))
        _matrix(axes, counts, names, f"{task}: accuracy {score.accuracy(true, predicted):.3f}")
    return figure


def classes(rows: pd.DataFrame, probs: np.ndarray) -> Figure:
    """A table of precision, recall, F1 and number of images of each class; arguments as in `confusion_18`."""
    from matplotlib import colormaps
    from sklearn.metrics import precision_recall_fscore_support

    true, predicted, every = rows["label"].to_numpy(), probs.argmax(1), range(len(labels.CLASSES))
    parts = precision_recall_fscore_support(true, predicted, labels=every, zero_division=0)
    cells = [(*(f"{value:.3f}" for value in scores), f"{images}") for *scores, images in zip(*parts, strict=True)]
    figure = _figure(8, 6.5)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_title(f"each class, out of fold: macro F1 {parts[2].mean():.4f}")
    heads = ("precision", "recall", "F1", "images")
    colours: list[list] = [[*(colormaps["Blues"](0.6 * float(value)) for value in row[:3]), "white"] for row in cells]
    shown = axes.table(cells, colours, colLabels=heads, rowLabels=labels.CLASSES, loc="center", cellLoc="center")
    shown.scale(1, 1.5)
    return figure


def _matrix(axes: Axes, counts: np.ndarray, names: tuple[str, ...], title: str) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, predicted in np.argwhere(counts):
        colour, count = "white" if shares[true, predicted] > 0.55 else "black", str(counts[true, predicted])
        axes.text(predicted, true, count, ha="center", va="center", fontsize=9, color=colour)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 3 else 0)
    axes.set_yticks(range(len(names)), names)


def accuracy_by_age(rows: pd.DataFrame, probs: np.ndarray, trained: tuple[int, int]) -> Figure:
    """Accuracy of the age group at each true age, and below it the number of images.
    Lines: the true age boundaries; dashed: those `trained` with, in years. `rows` as in `confusion_18`, and age."""
    figure = _figure(13, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    correct = labels.split(rows["label"].to_numpy())[2] == labels.split(probs.argmax(1))[2]
    by_age = rows.assign(correct=correct).groupby("age")["correct"].agg(["mean", "size"])
    for axes, bars, colour in ((above, by_age["mean"], DARK), (below, by_age["size"], LIGHT)):
        axes.bar(bars.index, bars, color=colour, width=0.85)
        for boundary in (30, 60):
            axes.axvline(boundary - 0.5, color="crimson", linewidth=2, label=f"boundary {boundary}")
        for boundary in set(trained) - {30, 60}:
            axes.axvline(boundary - 0.5, color="crimson", linestyle="--", label=f"training boundary {boundary}")
    above.set_title(f"accuracy of the age group, by true age: {correct.mean():.3f} over all")
    above.set(ylabel="accuracy", ylim=(0, 1.02))
    below.set(xlabel="true age in years", ylabel="images")
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def worst_mistakes(rows: pd.DataFrame, probs: np.ndarray, root: Path, crop: tuple[int, int]) -> Figure:
    """The wrong predictions that give the true class the lowest probability, at most one of a person.
    `rows` has file, person, age and label (0..17); `probs` are (n, 18); `root` and `crop` as in `contact_sheet`."""
    true, predicted = rows["label"].to_numpy(), probs.argmax(1)
    ranked = rows.assign(probability=probs[np.arange(len(rows)), true], predicted=predicted)
    worst = ranked[predicted != true].sort_values("probability", kind="stable")
    title = "the worst mistakes: true class, predicted class, probability of the true class"
    return contact_sheet(worst.assign(note=worst["probability"].map("{:.1%}".format)), root, crop, title)


def first_of_each_person(rows: pd.DataFrame) -> pd.DataFrame:
    """The first image of each person, as many as a contact sheet holds."""
    return rows.drop_duplicates("person").head(SHEET[0] * SHEET[1])


def contact_sheet(rows: pd.DataFrame, root: Path, crop: tuple[int, int], title: str) -> Figure:
    """A figure of one photograph of each person in the order of `rows`, with age, true and predicted class.
    `rows` has file, person, label and predicted (0..17), age, and note, a text for below; `root` is the data folder,
    `crop` (height, width) in pixels, without the recipe's `scale`. Refuses: a photograph that cannot be read."""
    figure = _figure(14, 15)
    figure.suptitle(title, fontsize=13)
    grid = figure.subplots(*SHEET, subplot_kw=BARE).ravel()
    for axes, row in zip(grid, first_of_each_person(rows).to_dict("records"), strict=False):
        true, predicted = (labels.CLASSES[row[column]] for column in ("label", "predicted"))
        axes.imshow(decode.prepare(root / row["file"], Framing(crop)))
        axes.set_title(f"true {true}, {row['age']}\npredicted {predicted}\n{row['note']}", fontsize=10)
    return figure


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the photographs are."""

    data: str = ""  # the competition folder, for the contact sheet; empty: $MASK18_DATA, else data/


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a run: KERNEL/NAME [--data DIR]", argv)
    report(reader.load(name).folder, places.data(options.data))


if __name__ == "__main__":
    main(sys.argv[1:])
