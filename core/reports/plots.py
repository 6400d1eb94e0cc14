"""Pictures of a run, from what the run left on disk: curves, confusion matrices, accuracy by age, the worst mistakes.

python -m core.reports.plots v5_multitask/effb0     draws the report again
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import disk, labels, places, recipe, score
from core.images import decode
from core.images.decode import Framing
from core.runs import foldrun, reader
from core.runs.foldrun import Epoch

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHEET = (4, 6)
INK, SOFT = "#1d3557", "#a8b8c8"


def report(folder: Path, root: Path) -> None:
    """Draw folder/report/*.png for the joined run in `folder`; `root` is the data folder, for the photographs.

    Where no out-of-fold row is there for a picture, or the photographs are gone, that picture is left out.
    """
    import pandas as pd

    rows = pd.read_csv(folder / "rows.csv", dtype={"file": str, "person": str})
    probs = np.load(folder / "oof.npy", allow_pickle=False)
    covered = ~np.isnan(probs[:, 0])
    rows, probs = rows[covered].reset_index(drop=True), probs[covered]
    old = disk.read_json(folder / "start.json")["recipe"]
    drawn = {
        "curves": curves(
            [foldrun.read_log(path) for path in sorted((folder / "folds").iterdir(), key=lambda path: int(path.name))]
        ),
        "confusion_18": confusion_18(rows, probs),
        "confusion_parts": confusion_parts(rows, probs),
        "accuracy_by_age": accuracy_by_age(rows, probs, (old.get("age_young", 30), old.get("age_old", 60))),
    }
    if all((root / file).is_file() for file in rows["file"]):
        drawn["worst_mistakes"] = worst_mistakes(rows, probs, root, tuple(old["crop"]))
    (folder / "report").mkdir(exist_ok=True)
    for name, figure in drawn.items():
        figure.savefig(folder / "report" / f"{name}.png", dpi=110)


def _figure(width: float, height: float) -> Figure:
    """A figure outside pyplot: no window system is asked for, nothing global is changed."""
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def curves(folds: list[list[Epoch]]) -> Figure:
    """Loss, held-out scores and learning rate by epoch, a line per fold; a rule parts the phases."""
    figure = _figure(13, 7)
    shown = {
        "loss": "training loss",
        "macro_f1": "held-out macro F1",
        "accuracy": "held-out accuracy",
        "lr": "learning rate",
    }
    for axes, (name, title) in zip(figure.subplots(2, 2).flat, shown.items(), strict=True):
        for number, fold in enumerate(folds):
            values = np.array([dict(row)[name] for row in fold], float)  # None is NaN
            axes.plot(np.arange(1, len(values) + 1), values, marker="o", markersize=4, label=f"fold {number}")
        phases = [row["phase"] for row in folds[0]] if folds else []
        for at in range(1, len(phases)):
            if phases[at] != phases[at - 1]:
                axes.axvline(at + 0.5, color=SOFT, linestyle="--")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    return figure


def confusion_18(rows: pd.DataFrame, probs: np.ndarray) -> Figure:
    """Shares of each true class, with the counts written in."""
    figure = _figure(13, 11)
    counts = score.confusion(rows["label"].to_numpy(), probs.argmax(1))
    _matrix(figure.subplots(), counts, labels.CLASSES, f"all 18 classes: macro F1 {score.f1(counts).mean():.4f}")
    return figure


def confusion_parts(rows: pd.DataFrame, probs: np.ndarray) -> Figure:
    """The same for mask, gender and age alone."""
    figure = _figure(15, 5.2)
    parts = zip(labels.split(rows["label"].to_numpy()), labels.split(probs.argmax(1)), strict=True)
    for axes, (task, names), (true, said) in zip(figure.subplots(1, 3), labels.TASKS.items(), parts, strict=True):
        _matrix(
            axes, score.confusion(true, said, len(names)), names, f"{task}: accuracy {score.accuracy(true, said):.3f}"
        )
    return figure


def _matrix(axes: Axes, counts: np.ndarray, names: tuple[str, ...], title: str) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, said in np.argwhere(counts):
        axes.text(
            said,
            true,
            str(counts[true, said]),
            ha="center",
            va="center",
            fontsize=9,
            color="white" if shares[true, said] > 0.55 else "black",
        )
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 3 else 0)
    axes.set_yticks(range(len(names)), names)


def accuracy_by_age(rows: pd.DataFrame, probs: np.ndarray, trained: tuple[int, int]) -> Figure:
    """How often the age group is right at each true age, above how many images there are.

    The true boundaries are solid lines, those that training was labelled with dashed.
    """
    figure = _figure(13, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    right = labels.split(rows["label"].to_numpy())[2] == labels.split(probs.argmax(1))[2]
    found = rows.assign(right=right).groupby("age")["right"].agg(["mean", "size"])
    above.bar(found.index, found["mean"], color=INK, width=0.85)
    below.bar(found.index, found["size"], color=SOFT, width=0.85)
    for axes in (above, below):
        for boundary in (30, 60):
            axes.axvline(boundary - 0.5, color="crimson", linewidth=2, label=f"boundary {boundary}")
        for boundary in set(trained) - {30, 60}:
            axes.axvline(boundary - 0.5, color="crimson", linestyle="--", label=f"training boundary {boundary}")
    above.set(title=f"age group right, by true age: {right.mean():.3f} over all", ylabel="share right", ylim=(0, 1.02))
    below.set(xlabel="true age in years", ylabel="images")
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def worst_mistakes(rows: pd.DataFrame, probs: np.ndarray, root: Path, crop: tuple[int, int]) -> Figure:
    """The wrong answers that gave the truth the least chance, a person at most once."""
    true, said = rows["label"].to_numpy(), probs.argmax(1)
    wrong = rows.assign(chance=probs[np.arange(len(rows)), true], said=said)[said != true]
    worst = wrong.sort_values("chance", kind="stable")
    title = "the worst mistakes: what is true, what was said, and the chance given to the truth"
    return contact_sheet(worst.assign(note=worst["chance"].map("{:.1%}".format)), root, crop, title)


def one_each(rows: pd.DataFrame) -> pd.DataFrame:
    """The first image of each person, as many as a contact sheet holds."""
    return rows.drop_duplicates("person").head(SHEET[0] * SHEET[1])


def contact_sheet(rows: pd.DataFrame, root: Path, crop: tuple[int, int], title: str) -> Figure:
    """One photograph of each person in the order of `rows`, before any `scale`, with true and said class and age.

    Args:
        rows: a frame with file, person, label, said, age and a note to write below.

    Raises:
        Refusal: a photograph cannot be read.
    """
    figure = _figure(14, 15)
    figure.suptitle(title, fontsize=13)
    places = figure.subplots(*SHEET).ravel()
    for axes in places:
        axes.axis("off")
    for axes, row in zip(places, one_each(rows).to_dict("records"), strict=False):
        true, said = (labels.CLASSES[row[column]] for column in ("label", "said"))
        axes.imshow(decode.prepare(root / row["file"], Framing(crop)))
        axes.set_title(f"true {true}, {row['age']}\nsaid {said}\n{row['note']}", fontsize=10)
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
