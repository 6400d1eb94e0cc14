"""Which submission is better, and where they differ: tables here, and a page, submissions/index.html.

    python -m submissions.compare                         every submission
    python -m submissions.compare final hard_v4           these
    python -m submissions.compare final --data DIR        with thumbnails from this data folder

Scores are out of fold, with 95 % intervals by resampling people; differences are paired, over the same draws of people.
The page opens from disk and asks nothing of any network; it may hold photographs. Free of torch.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from core import labels, places, recipe, score
from core.refusal import Refusal
from core.reports import listing
from ensembles.voting import submission
from submissions.compare import comparison, leaderboard
from submissions.compare.comparison import Comparison

Cells = tuple[str, ...]
#: What the leaderboard's columns are called where there is little room.
BOARD = {
    "public_f1": "public F1",
    "public_acc": "public acc",
    "private_f1": "private F1",
    "private_acc": "private acc",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the photographs are."""

    data: str = ""  # the competition folder, for thumbnails; empty: $MASK18_DATA, else data/


def tell(found: Comparison, board: dict[str, leaderboard.Line]) -> None:
    """Print all that is known of the submissions of one data set."""
    first = found.submissions[0]
    print(f"{len(first.oof)} training images, {len(first.test)} test images\n")
    listing.print_table(scores(found, board))
    print(f"\nHow often each class is said of the {len(first.test)} test images{_beside_mix(found)}:\n")
    listing.print_table(counts(found))
    if len(found.submissions) > 1:
        print("\nShare of test images that two submissions answer alike:\n")
        listing.print_table(agreement(found))
        print("\nDifferences in out-of-fold macro F1, over the rows that both answer, on the same draws of people:\n")
        listing.print_table(differences(found))
        _caution(found)


def scores(found: Comparison, board: dict[str, leaderboard.Line]) -> list[Cells]:
    """The main table, its head first; the leaderboard's columns only as far as something is known."""
    known = [column for column in BOARD if any(board.get(one.name, {}).get(column) for one in found.submissions)]
    rows: list[Cells] = [
        (
            "",
            "submission",
            "macro F1 [95 %]",
            "accuracy [95 %]",
            *labels.TASKS,
            "rows",
            *(BOARD[name] for name in known),
        )
    ]
    for which, one in enumerate(found.submissions):
        told, line = found.scores(which), board.get(one.name, {})
        shown: Cells = ("no score: too few people held out", "", "", "", "")
        if told:
            shown = (
                *map(score.with_interval, (told["macro_f1"], told["accuracy"])),
                *(f"{told[task]:.3f}" for task in labels.TASKS),
            )
        rows.append((str(which + 1), one.name, *shown, found.coverage(which), *(line.get(name, "") for name in known)))
    return rows


def _beside_mix(found: Comparison) -> str:
    if found.training_mix is None:
        return " (the training mix is not known: no run and no data folder of this data set is here)"
    return ", beside the training mix scaled to as many"


def counts(found: Comparison) -> list[Cells]:
    """A line for each class: the training mix, then each submission under its number."""
    mix = found.training_mix
    head = ("class", *([] if mix is None else ["training mix"]), *map(_number, range(len(found.submissions))))
    return [
        head,
        *(
            (name, *([] if mix is None else [f"{mix[label]:.0f}"]), *map(str, found.class_counts[:, label]))
            for label, name in enumerate(labels.CLASSES)
        ),
    ]


def agreement(found: Comparison) -> list[Cells]:
    names = [one.name for one in found.submissions]
    return [
        ("", "", *map(_number, range(len(names)))),
        *(
            (_number(which), name, *(f"{share:.3f}" for share in found.agreement[which]))
            for which, name in enumerate(names)
        ),
    ]


def _number(which: int) -> str:
    return str(which + 1)


def differences(found: Comparison) -> list[Cells]:
    """A line for each pair, its verdict in words."""
    rows: list[Cells] = []
    for pair in found.shown_pairs():
        one, other = (found.submissions[which].name for which in pair)
        rows.append((one, "against", other, *found.in_words(pair)))
    return rows


def _caution(found: Comparison) -> None:
    if len(found.submissions) > comparison.EVERY_PAIR:
        print("\nThe first is the best of many by these very scores: expect its lead to be smaller on other people.")


def compare(names: list[str], options: Options) -> None:
    """Print the tables, then write the page."""
    root = places.data(options.data)
    if options.data and not root.is_dir():
        raise Refusal(f"--data {root}: there is no such folder; give the data folder that the runs were trained on")
    board = leaderboard.read()
    found = comparison.compare(names, root)
    if not found:
        print(f"no submissions in {places.submissions()} yet; make one with make ensemble NAME=final")
        return
    if len(found) > 1:
        print(f"submissions of {len(found)} data sets: each is compared with those of its own data set only")
    for number, one in enumerate(found, 1):
        print(f"\ndata set {number}: " if len(found) > 1 else "", end="")
        tell(one, board)
    absent = [name for name in board if name not in submission.names()]
    if absent:
        print(f"\n{leaderboard.path()} also names {', '.join(absent)}, of which there is no submission here")
    sys.stdout.flush()
    from submissions.compare import page

    print(f"\n{page.write(found, board, root)}")


def main(argv: list[str]) -> None:
    compare(*recipe.parse_words(Options, range(len(argv) + 1), "names of submissions", argv))
