"""Compares submissions: tables in the terminal, and a page, submissions/index.html.

    python -m submissions.compare                         every submission
    python -m submissions.compare final hard_v4           these
    python -m submissions.compare final --data DIR        with thumbnails from this data folder

Scores are out of fold, with 95 % bootstrap intervals over people; differences are paired, over the same draws of
people. The page opens from disk, needs no network, and may hold photographs. Free of torch.
"""

import sys
from dataclasses import dataclass

from core import labels, places, recipe, score
from core.refusal import Refusal
from core.reports import listing
from ensembles.voting import submission
from submissions.compare import leaderboard
from submissions.compare.comparison import EVERY_PAIR, Comparison, load_comparisons
from submissions.compare.leaderboard import Entries

Cells = tuple[str, ...]
#: Short heads of the leaderboard's columns.
LEADERBOARD_HEADS = {column: column.replace("_", " ").replace("f1", "F1") for column in leaderboard.SCORES}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the photographs are."""

    data: str = ""  # the competition folder, for thumbnails; empty: where it was, else $MASK18_DATA, else data/


def print_comparison(comparison: Comparison, entries: Entries) -> None:
    """Print every table of the submissions of one data set."""
    first, expected = comparison.submissions[0], ", and the counts expected from the class distribution of training"
    if comparison.expected_counts is None:
        expected = " (expected counts are not known: there is no run and no data folder of this data set)"
    print(f"{len(first.oof)} training images, {len(first.test)} test images\n")
    listing.print_table(scores(comparison, entries))
    print(f"\nPredicted class counts on the {len(first.test)} test images{expected}:\n")
    listing.print_table(class_counts(comparison))
    if len(comparison.submissions) > 1:
        print("\nAgreement: the share of test images for which two submissions predict the same class:\n")
        listing.print_table(agreement(comparison))
        print("\nDifferences in out-of-fold macro F1, over the rows that both predict, on the same draws of people:\n")
        listing.print_table(differences(comparison))
    if len(comparison.submissions) > EVERY_PAIR:
        print("\nThe first is the best of many by these same scores: expect a smaller difference on other people.")


def scores(comparison: Comparison, entries: Entries) -> list[Cells]:
    """The main table, its head first; of the leaderboard's columns those with a score."""
    known = leaderboard.known_columns(entries, comparison.names)
    head = ("", "submission", "macro F1 [95 %]", "accuracy [95 %]", *labels.TASKS, "rows")
    rows: list[Cells] = [(*head, *(LEADERBOARD_HEADS[column] for column in known))]
    for index, name in enumerate(comparison.names):
        known_scores = [entries.get(name, {}).get(column, "") for column in known]
        rows.append((f"{index + 1}", name, *_score_cells(comparison, index), comparison.coverage(index), *known_scores))
    return rows


def _score_cells(comparison: Comparison, index: int) -> Cells:
    summary = comparison.scores(index)
    if summary is None:
        return ("no score: too few people held out", "", "", "", "")
    tasks = (f"{accuracy:.3f}" for accuracy in (summary["mask"], summary["gender"], summary["age"]))
    return (score.with_interval(summary["macro_f1"]), score.with_interval(summary["accuracy"]), *tasks)


def class_counts(comparison: Comparison) -> list[Cells]:
    """A line for each class: the expected count, then each submission's under its number."""
    rows: list[Cells] = [("class", *(str(number) for number, _ in enumerate(comparison.submissions, 1)))]
    rows += [(name, *map(str, comparison.class_counts[:, label])) for label, name in enumerate(labels.CLASSES)]
    if comparison.expected_counts is None:
        return rows
    expected = ["expected", *(f"{count:.0f}" for count in comparison.expected_counts)]
    return [(name, count, *counts) for (name, *counts), count in zip(rows, expected, strict=True)]


def agreement(comparison: Comparison) -> list[Cells]:
    rows = enumerate(zip(comparison.names, comparison.agreement, strict=True), 1)
    lines = [(str(number), name, *(f"{share:.3f}" for share in shares)) for number, (name, shares) in rows]
    return [("", "", *(number for number, *_ in lines)), *lines]


def differences(comparison: Comparison) -> list[Cells]:
    """A line for each pair, with a verdict."""
    names = comparison.names
    return [(names[i], "against", names[j], *comparison.difference_text((i, j))) for i, j in comparison.shown_pairs()]


def compare(names: list[str], options: Options) -> None:
    """Print the tables, then write the page."""
    there = (submission.where(name, "data") for name in names or submission.names())
    root = places.data(options.data or str(next(filter(None, there), "")))
    if options.data and not root.is_dir():
        raise Refusal(f"--data {root}: there is no such folder; give the data folder that the runs were trained on")
    entries = leaderboard.read()
    comparisons = load_comparisons(names, root)
    if not comparisons:
        print(f"no submissions in {places.submissions()} yet; make one with make ensemble NAME=final")
        return
    if len(comparisons) > 1:
        print(f"submissions of {len(comparisons)} data sets: each is compared with those of its own data set only")
    for number, comparison in enumerate(comparisons, 1):
        print(f"\ndata set {number}: " if len(comparisons) > 1 else "", end="")
        print_comparison(comparison, entries)
    if others := leaderboard.to_beat(entries, submission.names()):
        print(f"\n{leaderboard.path()} also has, without a submission here:\n  " + "\n  ".join(others))
    sys.stdout.flush()
    from submissions.compare import page

    print(f"\n{page.write(comparisons, entries, root)}")


def main(argv: list[str]) -> None:
    compare(*recipe.parse_words(Options, range(len(argv) + 1), "names of submissions", argv))
