"""A table of runs: each row a kernel's command line, or all combinations of its alternatives; sweep.py trains them.

Columns are `kernel` and flags; a cell holds a value, several joined by `|`, or nothing for the default.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import places, recipe
from core.flags import flag_name
from core.refusal import Refusal, did_you_mean
from core.runs import names
from core.training import kernel
from core.training.kernel import KernelRecipe

#: Flags of the sweep itself, which no row has.
OWN = ("jobs", "cluster", "dry")


@dataclass(frozen=True)
class Planned:
    """A run of the table, and its line there."""

    line: int
    file: Path
    recipe: KernelRecipe

    @property
    def name(self) -> str:
        return f"{self.file.parent.name}/{names.run_name(self.recipe)}"

    @property
    def finished(self) -> bool:
        return (places.runs() / self.name / "run.json").is_file()

    @property
    def due(self) -> bool:
        return not self.finished or self.recipe.force or self.recipe.smoke


def planned(table: Path, flags: list[str]) -> list[Planned]:
    """The runs of the table, in its order.

    Raises:
        Refusal: the table's line and the flag that is wrong; two lines that ask for one run.
    """
    found: dict[str, Planned] = {}
    for line, cells in _rows(table):
        try:
            for each in _combinations(line, cells, flags):
                if each.name in found:
                    raise Refusal(f"asks for {each.name} again, after line {found[each.name].line}; keep one")
                found[each.name] = each
        except Refusal as refusal:
            raise Refusal(f"{table} line {line}: {refusal}") from None
    return list(found.values())


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line in the file, column -> cell) of each row that is not empty."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except FileNotFoundError:
        raise Refusal(f"{table}: there is no such table; python -m core.launch.sweep --help shows one") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refusal(f"{table}: cannot be read as a CSV ({error})") from None
    if len(lines) < 2 or "kernel" not in lines[0][1]:
        raise Refusal(
            f"{table}: needs a row of names, kernel among them, and more rows; see python -m core.launch.sweep --help"
        )
    names = [name.replace("-", "_") for name in lines[0][1]]
    own = [name for name in names if name in OWN or not name]
    if own or len(set(names)) < len(names):
        why = f"--{own[0]} is given on the command line" if own and own[0] else "a column has no name, or another's"
        raise Refusal(f"{table} line {lines[0][0]}: {why}")
    for line, cells in lines[1:]:
        if len(cells) != len(names):
            raise Refusal(
                f"{table} line {line}: has {len(cells)} cells for {len(names)} columns; quote a value with commas"
            )
        yield line, dict(zip(names, cells, strict=True))


def _combinations(line: int, cells: dict[str, str], flags: list[str]) -> Iterator[Planned]:
    choices = [[(name, value.strip()) for value in cell.split("|")] for name, cell in cells.items()]
    for chosen in itertools.product(*choices):
        values = dict(chosen)
        file = _kernel(values.pop("kernel"))
        words = [f"--{flag_name(name)}={value}" for name, value in values.items() if value]
        yield Planned(line, file, recipe.parse(kernel.load(file).Recipe, [*words, *flags]))


def _kernel(name: str) -> Path:
    file = places.HOME / "kernels" / name / "run.py"
    if not name.isidentifier() or not file.is_file():
        names = sorted(path.parent.name for path in places.HOME.glob("kernels/*/run.py"))
        hint = did_you_mean(name, names, "name one of them", cutoff=0.3)
        raise Refusal(f"kernel {name!r} is none of {', '.join(names)}; {hint}")
    return file
