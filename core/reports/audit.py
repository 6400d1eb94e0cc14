"""Finds training images whose labels are probably wrong, by the out-of-fold predictions of a run. Free of torch.

    python -m core.reports.audit v5_multitask/effb0 --data DIR

Writes into the folder audit/ of the run: images.csv, every held-out image, the most probable label error first;
sheet.png, the photographs of the most probable errors, if they are there; and fixes.csv for --fix-labels FILE, the
proposed fixes and those that the run was trained with, because it takes the place of their file. A proposed age is
only the nearest one of the predicted age group; if you know the right age, put it in.
"""

import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from core import disk, labels, places, recipe
from core.flags import Range
from core.refusal import Refusal
from core.reports import label_errors, listing, plots
from core.runs import reader
from core.runs.manifest import age_boundaries

#: People in the printed table.
SHOWN = 10
ERRORS = ("label_error", *(f"{task}_error" for task in labels.TASKS))


@dataclass(frozen=True, kw_only=True)
class Options(plots.Options):
    """How probable an error must be for a fix, and where the photographs are."""

    threshold: Annotated[float, Range(low=0.5, high=1)] = 0.9  # propose a fix above this mean probability


def audit(name: str, options: Options) -> None:
    """Write the audit of the finished run `name` (KERNEL/NAME), and print the most probable label errors.
    Refuses: a run that cannot be loaded, see `reader.load`."""
    run = reader.load(name)
    covered = ~np.isnan(run.oof[:, 0])
    rows, probs = run.rows[covered].reset_index(drop=True), run.oof[covered].astype(np.float64)
    probs /= probs.sum(1, keepdims=True)
    boundaries = age_boundaries(run.manifest["recipe"])
    ranked = label_errors.with_error_probabilities(rows, probs, *boundaries)
    ranked = ranked.sort_values("label_error", ascending=False, kind="stable")
    proposed = label_errors.propose(rows, probs, options.threshold, *boundaries)
    fixes = label_errors.merge(run.manifest["notes"], proposed)
    folder = run.folder / "audit"
    names = {column: ranked[column].map(labels.CLASSES.__getitem__) for column in ("label", "predicted")}
    named = ranked.assign(**names).rename(columns={"label": "true"})
    images = named[["file", "person", "age", "true", "predicted", *ERRORS]]
    disk.write(folder / "images.csv", lambda path: images.to_csv(path, index=False, float_format="%.6f"))
    _write_fixes(folder / "fixes.csv", fixes)
    shown = plots.first_of_each_person(images).head(SHOWN)
    cells = shown[list(ERRORS)].map("{:.3f}".format).join(shown[["true", "age", "predicted", "file"]].astype(str))
    header = (*(column.replace("_", " ") for column in ERRORS), "true", "age", "predicted", "image")
    listing.print_table([header, *cells.itertuples(index=False, name=None)])
    print(f"\n{folder / 'images.csv'}: {len(ranked)} held-out images, the most probable label error first")
    print(_draw_sheet(folder / "sheet.png", ranked, places.data(options.data), tuple(run.manifest["recipe"]["crop"])))
    _print_fixes(folder / "fixes.csv", proposed, fixes)


def _print_fixes(path: Path, proposed: list[label_errors.Fix], fixes: list[label_errors.Fix]) -> None:
    counts = Counter(fix.column for fix in proposed)
    by_column = ", ".join(f"{counts[column]} of {column}" for column in ("gender", "age", "mask"))
    kept = sum(fix.probability is None for fix in fixes)
    print(f"{path}: proposes {by_column}; keeps {kept} that the run was trained with")
    print("remove the lines that you do not believe; an age is only the nearest one of the predicted group")
    print(f"to train with them: --fix-labels {shlex.quote(str(path))}")


def _write_fixes(path: Path, fixes: list[label_errors.Fix]) -> None:
    lines = [(*fix[:3], "" if fix.probability is None else f"{fix.probability:.4f}") for fix in fixes]
    disk.write_csv(path, [label_errors.Fix._fields, *lines])


def _draw_sheet(path: Path, ranked: pd.DataFrame, root: Path, crop: tuple[int, int]) -> str:
    """Draw the contact sheet if the photographs are there; returns the line to print about it."""
    title = "the most probable label errors: true class, predicted class, probability that the label is wrong"
    notes = "label error " + ranked["label_error"].map("{:.1%}".format)
    path.unlink(missing_ok=True)  # an older sheet may show other errors than images.csv
    try:
        figure = plots.contact_sheet(ranked.assign(note=notes), root, crop, title)
    except Refusal as refusal:
        return f"no sheet.png without photographs ({refusal}); give --data DIR"
    disk.write(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))
    return f"{path}: for each person the photograph with the most probable label error"


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a run: KERNEL/NAME [--data DIR] [--threshold 0.9]", argv)
    audit(name, options)


if __name__ == "__main__":
    main(sys.argv[1:])
