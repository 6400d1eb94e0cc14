"""All runs as a table, or the difference of two. Free of torch.

    python -m core.reports.listing                 every run and its out-of-fold score
    python -m core.reports.listing diff A B        which recipe fields, sources and scores differ

What is not finished or damaged is listed as such, and hides no other run.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from core import labels, places, score
from core.refusal import Refusal
from core.runs import reader


def table(only: Collection[str] | None = None) -> None:
    """Print every run, or only these, best out-of-fold macro F1 first; unfinished and damaged ones last."""
    finished, damaged = reader.finished()
    scored: list[tuple[float, tuple[str, ...]]] = []
    for about in finished:
        try:
            scored.append((-(about["scores"] or {"macro_f1": [0.0]})["macro_f1"][0], _row(about)))
        except (KeyError, IndexError, TypeError, ValueError):
            damaged.append(about["path"])
    others = {
        name: f"unfinished, {len(list(folder.glob('folds/*/test.npy')))} folds done"
        for name, folder in reader.folders("start.json")
        if not (folder / "run.json").exists()
    } | dict.fromkeys(damaged, "its run.json is damaged or cannot be read")
    rows = [row for _, row in sorted(scored)] + [(name, said, *[""] * 6) for name, said in sorted(others.items())]
    asked = [row for row in rows if only is None or row[0] in only]
    if not asked:
        print(f"no runs in {places.runs()} yet; make one with python kernels/v5_multitask/run.py --help")
        return
    score.print_table(
        [("run", "macro F1 [95 %]", "accuracy", "mask", "gender", "age", "people", "training minutes"), *asked]
    )


def _row(about: dict[str, Any]) -> tuple[str, ...]:
    """A finished run in `table`."""
    found = about["scores"]
    shown = ["no score"] + [""] * 5
    if found:
        shown = [
            score.with_interval(found["macro_f1"]),
            f"{found['accuracy'][0]:.4f}",
            *(f"{found[task]:.3f}" for task in labels.TASKS),
            str(found["people"]),
        ]
    return (about["path"], *shown, f"{about['training_seconds'] / 60:.1f}")


def diff(first: str, second: str) -> None:
    """Print the recipe fields and scores in which two runs differ."""
    one, two = reader.load(first).about, reader.load(second).about
    rows: list[tuple[str, ...]] = [("", first, second)]
    rows += [
        (field, str(one["recipe"].get(field)), str(two["recipe"].get(field)))
        for field in sorted({*one["recipe"], *two["recipe"]})
        if one["recipe"].get(field) != two["recipe"].get(field)
    ]
    rows += [
        (f"source {file}", "differs", "")
        for file in sorted({*one["source"], *two["source"]})
        if one["source"].get(file) != two["source"].get(file)
    ]
    rows += [(field, one[field][:12], two[field][:12]) for field in ("rows", "labels") if one[field] != two[field]]
    score.print_table(rows if len(rows) > 1 else [*rows, ("recipe", "the same", "the same")])
    for name, about in ((first, one), (second, two)):
        print(f"{name}: {score.line(about['scores'])}")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        table()
    elif len(sys.argv) == 4 and sys.argv[1] == "diff":
        diff(sys.argv[2], sys.argv[3])
    else:
        raise Refusal("takes nothing, or: diff KERNEL/NAME KERNEL/NAME")
