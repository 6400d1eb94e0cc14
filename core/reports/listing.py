"""All runs as a table, or the difference of two. Free of torch.

    python -m core.reports.listing                 every run with its out-of-fold scores
    python -m core.reports.listing diff A B        the recipe fields, sources and scores in which A and B differ

Unfinished and damaged runs are listed too, with their state.
"""

import re
import sys
from collections.abc import Collection, Sequence

from core import places, recipe, score
from core.refusal import Refusal
from core.runs import reader
from core.runs.manifest import Manifest


def table(only: Collection[str] | None = None) -> None:
    """Print every run, or `only` these names; best out-of-fold macro F1 first, unfinished and damaged runs last."""
    finished, damaged = reader.finished()
    scored: list[tuple[float, tuple[str, ...]]] = []
    for name, manifest in finished.items():
        try:
            best = manifest["scores"]["macro_f1"][0] if manifest["scores"] else 0.0
            scored.append((-best, _row(name, manifest)))
        except (KeyError, IndexError, TypeError, ValueError):
            damaged.append(name)
    unscored = dict.fromkeys(damaged, "its run.json is damaged or cannot be read")
    for name, folder in reader.folders("start.json"):
        if not (folder / "run.json").exists():
            unscored.setdefault(name, f"unfinished, {len(list(folder.glob('folds/*/test.npy')))} folds done")
    rows = [row for _, row in sorted(scored)] + [(name, state, *[""] * 6) for name, state in sorted(unscored.items())]
    shown = [row for row in rows if only is None or row[0] in only]
    if not shown:
        print(f"no runs in {places.runs()} yet; make one with python kernels/v5_multitask/run.py --help")
        return
    print_table([("run", "macro F1 [95 %]", "accuracy", "mask", "gender", "age", "people", "training minutes"), *shown])


def _row(name: str, manifest: Manifest) -> tuple[str, ...]:
    """A finished run as a row of `table`."""
    scores, minutes = manifest["scores"], f"{manifest['training_seconds'] / 60:.1f}"
    if scores is None:
        return (name, "no score", *[""] * 5, minutes)
    tasks = (f"{scores[task]:.3f}" for task in ("mask", "gender", "age"))
    macro_f1, accuracy = score.with_interval(scores["macro_f1"]), f"{scores['accuracy'][0]:.4f}"
    return (name, macro_f1, accuracy, *tasks, str(scores["people"]), minutes)


def diff(name: str, other: str) -> None:
    """Print the recipe fields, sources and data sets in which two finished runs (KERNEL/NAME) differ, and their scores.
    Refuses: a run that cannot be loaded, see `reader.load`."""
    one, two = reader.load(name).manifest, reader.load(other).manifest
    rows: list[tuple[str, ...]] = [("", name, other)]
    fields = sorted({*one["recipe"], *two["recipe"]})
    values = [(field, one["recipe"].get(field), two["recipe"].get(field)) for field in fields]
    rows += [(field, str(first), str(second)) for field, first, second in values if first != second]
    files = sorted({file for file, _ in one["source"].items() ^ two["source"].items()})
    rows += [(f"source {file}", "differs", "") for file in files]
    digests = [("rows", one["rows"], two["rows"]), ("labels", one["labels"], two["labels"])]
    rows += [(field, first[:12], second[:12]) for field, first, second in digests if first != second]
    print_table(rows if len(rows) > 1 else [*rows, ("recipe", "the same", "the same")])
    for run, manifest in ((name, one), (other, two)):
        print(f"{run}: {score.line(manifest['scores'])}")


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows of cells as aligned columns, the header first: numbers to the right, text to the left."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    sides = ["rjust" if all(re.fullmatch(r"[-+.\d]*", cell) for cell in column[1:]) else "ljust" for column in columns]
    for row in rows:
        cells = zip(row, sides, widths, strict=True)
        print("  ".join(getattr(cell, side)(width) for cell, side, width in cells).rstrip())


def verdict(better: float) -> str:
    """A difference in words: "better with 97 %", "worse with 99 %", or "can't tell" below 95 %.
    `better` is the share of bootstrap draws with a difference above 0, as `score.paired` gives it. No number of
    draws makes a difference certain, so "100 %" is never printed, but "over 99 %"."""
    share = max(better, 1 - better)
    if share < 0.95:
        return "can't tell"
    percent = f"{share * 100:.0f} %" if share < 0.995 else "over 99 %"
    return f"{'better' if better > 0.5 else 'worse'} with {percent}"


def main(argv: list[str]) -> None:
    words, _ = recipe.parse_words(recipe.NoFlags, [0, 3], "no words, or three: diff KERNEL/NAME KERNEL/NAME", argv)
    if words and words[0] != "diff":
        raise Refusal(f"{words[0]}: is no command; give no words, or three: diff KERNEL/NAME KERNEL/NAME")
    diff(*words[1:]) if words else table()


if __name__ == "__main__":
    main(sys.argv[1:])
