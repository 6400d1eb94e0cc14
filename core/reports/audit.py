"""Mistakes worth a look: the training images whose labels a run doubts that did not train on them. Free of torch.

    python -m core.reports.audit v5_multitask/effb0 --data DIR

Writes below the run's folder audit/images.csv, every held-out image, the most doubtful first; audit/fixes.csv,
which can be used as it is as --fix-labels FILE; and, where the photographs are there, audit/sheet.png, the
most doubtful people. A proposed age is only the nearest one of the group that was said: who knows the right
one puts it in. The fixes that the run was trained with stand in fixes.csv too, since it takes their place.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from core import disk, labels, places, recipe
from core.flags import Range
from core.refusal import Refusal
from core.reports import label_errors, listing, plots
from core.runs import reader

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
DOUBTS = ("doubt", *(f"doubt_{task}" for task in labels.TASKS))


@dataclass(frozen=True, kw_only=True)
class Options:
    """How sure a proposal must be, and where the photographs are."""

    data: str = ""  # the competition folder, for the contact sheet; empty: $MASK18_DATA, else data/
    sure: Annotated[float, Range(low=0.5, high=1)] = 0.9  # propose what is surer, on the mean over a person's images


def audit(name: str, options: Options) -> None:
    """Write and print what the run doubts."""
    run = reader.load(name)
    covered = ~np.isnan(run.oof[:, 0])
    rows, probs = run.rows[covered].reset_index(drop=True), run.oof[covered].astype(np.float64)
    probs /= probs.sum(1, keepdims=True)
    asked = run.manifest["recipe"]
    taught = (asked.get("age_young", 30), asked.get("age_old", 60))
    ranked = label_errors.doubted(rows, probs, *taught).sort_values("doubt", ascending=False, kind="stable")
    proposed = label_errors.propose(rows, probs, options.sure, *taught)
    fixes = label_errors.joined(run.manifest["notes"], proposed)
    folder = run.folder / "audit"
    _write_images(folder / "images.csv", ranked)
    _write_fixes(folder / "fixes.csv", fixes)
    listing.print_table(_table(plots.one_each(ranked).head(SHOWN)))
    print(f"\n{folder / 'images.csv'}: {len(ranked)} held-out images, the most doubtful first")
    print(_draw(folder / "sheet.png", ranked, places.data(options.data), tuple(asked["crop"])))
    counts = Counter(fix.column for fix in proposed)
    kinds = ", ".join(f"{counts[column]} of {column}" for column in ("gender", "age", "mask"))
    older = sum(fix.doubt is None for fix in fixes)
    print(f"{folder / 'fixes.csv'}: proposes {kinds}; keeps {older} that the run was trained with")
    print("strike out what you do not believe; an age is only the nearest of the group that was said")
    print(f"to train with them: --fix-labels {shlex.quote(str(folder / 'fixes.csv'))}")


def _write_images(path: Path, ranked: pd.DataFrame) -> None:
    names = {column: ranked[column].map(labels.CLASSES.__getitem__) for column in ("label", "said")}
    frame = ranked.assign(**names).rename(columns={"label": "true"})
    columns = ["file", "person", "age", "true", "said", *DOUBTS]
    disk.write(path, lambda beside: frame[columns].to_csv(beside, index=False, float_format="%.6f"))


def _write_fixes(path: Path, fixes: list[label_errors.Fix]) -> None:
    lines = [(*fix[:3], "" if fix.doubt is None else f"{fix.doubt:.4f}") for fix in fixes]
    disk.write_csv(path, [label_errors.Fix._fields, *lines])


def _table(ranked: pd.DataFrame) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("doubt", *labels.TASKS, "true", "age", "said", "image")]
    for row in ranked.to_dict("records"):
        true, said = (labels.CLASSES[row[column]] for column in ("label", "said"))
        rows.append((*(f"{row[name]:.3f}" for name in DOUBTS), true, str(row["age"]), said, row["file"]))
    return rows


def _draw(path: Path, ranked: pd.DataFrame, root: Path, crop: tuple[int, int]) -> str:
    """Draw the contact sheet if the photographs are there; returns what to say of it."""
    title = "the labels most doubted: what is true, what was said, and the chance that the label is wrong"
    notes = "doubt " + ranked["doubt"].map("{:.1%}".format)
    path.unlink(missing_ok=True)  # an older sheet would show other doubts
    try:
        figure = plots.contact_sheet(ranked.assign(note=notes), root, crop, title)
    except Refusal as refusal:
        return f"no sheet.png, for want of photographs ({refusal}); give --data DIR"
    disk.write(path, lambda beside: figure.savefig(beside, format="png", dpi=110))
    return f"{path}: the photograph most doubted of each person"


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a run: KERNEL/NAME [--data DIR] [--sure 0.9]", argv)
    audit(name, options)


if __name__ == "__main__":
    main(sys.argv[1:])
