"""What the competition said: submissions/leaderboard.csv, a line for each scored submission, kept by the user.

    python -m submissions.compare.leaderboard final --public-f1 0.7861 --public-acc 0.8256 --note "second place"

Columns: name, public_f1, public_acc, private_f1, private_acc (0 to 1), date, note. Giving more of a submission's
scores later fills its line in; what stands there of other scores stays. Free of torch.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from core import disk, flags, places, recipe
from core.flags import Range
from core.refusal import Refusal
from ensembles.voting import submission

SCORES = ("public_f1", "public_acc", "private_f1", "private_acc")
COLUMNS = ("name", *SCORES, "date", "note")
Share = Annotated[float, Range(low=0, high=1)]
Line = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the competition's page shows; give what is known."""

    public_f1: str = ""  # macro F1, 0 to 1
    public_acc: str = ""  # accuracy, 0 to 1
    private_f1: str = ""  # macro F1, 0 to 1
    private_acc: str = ""  # accuracy, 0 to 1
    date: str = ""  # of the submission, YYYY-MM-DD; empty: the one that stands there, or today
    note: str = ""  # whatever is worth remembering


def path() -> Path:
    return places.submissions() / "leaderboard.csv"


def read() -> dict[str, Line]:
    """{name: its line as text}, in the file's order; empty without a file.

    Raises:
        Refusal: the file lacks a column, names a submission twice, or holds a score that is no number from 0 to 1.
    """
    if not path().is_file():
        return {}
    found: dict[str, Line] = {}
    for row in disk.read_csv(path(), COLUMNS, may_be_empty=True).to_dict("records"):
        line = {column: row[column].strip() for column in COLUMNS}
        if line["name"] in found:
            raise Refusal(f"{path()}: names {line['name']} twice; keep one line for each")
        _check(line, f"{path()}: {line['name']} ")
        found[line["name"]] = line
    return found


def _check(line: Line, where: str) -> None:
    for column in SCORES:
        if line[column]:
            try:
                flags.read(column, Share, line[column], line[column])
            except Refusal as refusal:
                raise Refusal(f"{where}{refusal}") from None
    if line["date"] and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", line["date"]):
        raise Refusal(f"{where}--date {line['date']}: must be YYYY-MM-DD")


def add(name: str, options: Options) -> Line:
    """Write down what is known of the submission NAME; returns its line.

    Raises:
        Refusal: no such submission, no score given, or one that is no number from 0 to 1.
    """
    submission.load(name)
    given = {column: value for column, value in asdict(options).items() if value}
    if not given.keys() & {*SCORES, "note"}:
        raise Refusal(
            f"nothing to write down of {name}; give --public-f1, --public-acc, --private-f1, --private-acc or --note"
        )
    _check({**dict.fromkeys(COLUMNS, ""), **given}, "")
    lines = read()
    old = lines.get(name, {**dict.fromkeys(COLUMNS, ""), "name": name, "date": time.strftime("%Y-%m-%d")})
    lines[name] = {**old, **given}
    disk.write_csv(path(), [COLUMNS, *([line[column] for column in COLUMNS] for line in lines.values())])
    return lines[name]


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a submission: NAME --public-f1 0.7861", argv)
    line = add(name, options)
    print(f"{path()}: {', '.join(f'{column} {value}' for column, value in line.items() if value)}")


if __name__ == "__main__":
    main(sys.argv[1:])
