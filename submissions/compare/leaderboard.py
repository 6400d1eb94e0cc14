"""The competition's scores: submissions/leaderboard.csv, a line for each submission, kept by the user.

    python -m submissions.compare.leaderboard final --public-f1 0.7861 --public-acc 0.8256 --note "second place"

Columns: name, public_f1, public_acc, private_f1, private_acc (0 to 1), date, note. A submission's scores can be
added one after the other; what is not given stays as it is. Free of torch.
"""

import re
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from core import disk, flags, places, recipe
from core.flags import Range
from core.refusal import Refusal
from ensembles.voting import submission

SCORES = ("public_f1", "public_acc", "private_f1", "private_acc")
COLUMNS = ("name", *SCORES, "date", "note")
Score = Annotated[float, Range(low=0, high=1)]
#: A line of the file: its text by column.
Entry = dict[str, str]
#: The lines by the submission's name.
Entries = dict[str, Entry]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The scores on the competition's page; give those that are known."""

    public_f1: str = ""  # macro F1, 0 to 1
    public_acc: str = ""  # accuracy, 0 to 1
    private_f1: str = ""  # macro F1, 0 to 1
    private_acc: str = ""  # accuracy, 0 to 1
    date: str = ""  # of the submission, YYYY-MM-DD; empty: the date in the file, or today
    note: str = ""  # any text


def path() -> Path:
    return places.submissions() / "leaderboard.csv"


def read() -> Entries:
    """The lines in the file's order; none without a file.
    Refuses: the file lacks a column, names a submission twice, or has a score that is no number from 0 to 1."""
    entries: Entries = {}
    rows = disk.read_csv(path(), COLUMNS, may_be_empty=True).to_dict("records") if path().is_file() else []
    for row in rows:
        entry = {column: row[column].strip() for column in COLUMNS}
        if entry["name"] in entries:
            raise Refusal(f"{path()}: names {entry['name']} twice; keep one line for each")
        _check(entry, f"{path()}: {entry['name']} ")
        entries[entry["name"]] = entry
    return entries


def _check(entry: Entry, prefix: str) -> None:
    try:
        for column in filter(entry.get, SCORES):
            flags.read(column, Score, entry[column], entry[column])
    except Refusal as refusal:
        raise Refusal(f"{prefix}{refusal}") from None
    if entry["date"] and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", entry["date"]):
        raise Refusal(f"{prefix}--date {entry['date']}: must be YYYY-MM-DD")


def add(name: str, options: Options) -> Entry:
    """Add what is known of the submission NAME to the file; returns its line.
    Refuses: no such submission, no score given, or a score that is no number from 0 to 1."""
    submission.load(name)
    changes = {column: value for column, value in asdict(options).items() if value}
    if not changes.keys() & {*SCORES, "note"}:
        flag_names = "--public-f1, --public-acc, --private-f1, --private-acc or --note"
        raise Refusal(f"nothing to add for {name}; give {flag_names}")
    blank = dict.fromkeys(COLUMNS, "")
    _check(blank | changes, "")
    entries = read()
    entries[name] = entries.get(name, blank | {"name": name, "date": time.strftime("%Y-%m-%d")}) | changes
    disk.write_csv(path(), [COLUMNS, *([entry[column] for column in COLUMNS] for entry in entries.values())])
    return entries[name]


def to_beat(entries: Entries, names: Iterable[str]) -> list[str]:
    """Each line that is none of these submissions, in words: its name, its scores and its note."""
    lines = []
    for name in [each for each in entries if each not in set(names)]:
        known = [
            f"{column.replace('_', ' ').replace('f1', 'F1')} {entries[name][column]}"
            for column in SCORES
            if entries[name][column]
        ]
        lines.append(
            f"{name}: {', '.join(known) or 'no score'}" + (f" ({note})" if (note := entries[name]["note"]) else "")
        )
    return lines


def known_columns(entries: Entries, names: Iterable[str]) -> list[str]:
    """The score columns in which at least one of these submissions has a score."""
    known = [entries[name] for name in names if name in entries]
    return [column for column in SCORES if any(entry[column] for entry in known)]


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a submission: NAME --public-f1 0.7861", argv)
    print(f"{path()}: {', '.join(f'{column} {value}' for column, value in add(name, options).items() if value)}")


if __name__ == "__main__":
    main(sys.argv[1:])
