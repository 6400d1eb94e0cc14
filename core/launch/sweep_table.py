"""A table of runs: each row a kernel's command line, or all combinations of its alternatives; sweep.py trains them.

Columns are `kernel` and flags; a cell holds a value, several joined by `|`, or nothing for the default.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import disk, places, recipe
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
    Refuses: a wrong flag, naming its line in the table, and two lines that ask for one run."""
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
    (_, head), *rows = disk.read_rows(table) or [(1, [])]
    columns = [name.strip().replace("-", "_") for name in head]
    if "kernel" not in columns or not rows:
        advice = "see python -m core.launch.sweep --help"
        raise Refusal(f"{table}: needs a row of names, kernel among them, and more rows; {advice}")
    own = [name for name in columns if name in OWN or not name]
    if own or len(set(columns)) < len(columns):
        why = f"--{own[0]} is given on the command line" if own and own[0] else "a column has no name, or another's"
        raise Refusal(f"{table} line 1: {why}")
    yield from ((line, dict(zip(columns, map(str.strip, cells), strict=True))) for line, cells in rows if any(cells))


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
