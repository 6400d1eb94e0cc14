"""Who is in a competition: so many of each gender and age group as in the real data set, drawn or photographed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import labels
from core.refusal import Refusal

UTK = re.compile(r"^(\d+)_([01])_([0-4])_\d+\.(jpg|jpeg|png)(\.chip\.jpg)?$", re.IGNORECASE)
#: Among the real 2,700 people: shares of under 30, 30 to 59 and 60, and of women.
YOUNG, MIDDLE, ELDERLY, WOMEN = 0.474, 0.455, 0.071, 0.614
#: How many of the real middle group are 57, 58 and 59, and what share of it that is.
EDGE, EDGE_SHARE = {57: 106, 58: 159, 59: 85}, 0.285
#: Clear of every folder name in the list of known label errors.
FIRST_ID = 100_000


class Subject(NamedTuple):
    """One person: the recorded age in years, the age to draw, and a photograph if there is one."""

    number: int
    female: bool
    age: int
    true_age: float
    photo: str


def drawn(total: int, elderly: float, rng: np.random.Generator) -> list[Subject]:
    """So many people to draw, in random order; each gender x age group has its exact share."""
    people = []
    for (female, group), count in _cells(total, elderly).items():
        ages = [_age(group, rng) for _ in range(count)]
        people += [(female, int(age), age, "") for age in ages]
    return _numbered(people, rng)


def photographed(folder: Path, total: int, elderly: float, rng: np.random.Generator) -> list[Subject]:
    """So many people out of a folder of UTKFace photographs, aged 18 or more, in the same mix.

    Raises:
        Refusal: no such folder, or too few photographs of a gender and age group.
    """
    if not folder.is_dir():
        raise Refusal(f"--photos {folder}: is not a folder")
    named = [(str(path), UTK.match(path.name)) for path in sorted(folder.iterdir())]
    pool = [(path, found[2] == "1", int(found[1])) for path, found in named if found and int(found[1]) >= 18]
    people = []
    for (female, group), count in _cells(total, elderly).items():
        mine = [(path, age) for path, her, age in pool if her == female and labels.age_group(age) == group]
        if len(mine) < count:
            cell = f"{labels.GENDER[female]} {labels.AGE[group]}"
            raise Refusal(
                f"--photos {folder}: {count} photographs {cell} are needed, {len(mine)} are there; ask for fewer people"
            )
        chosen = [mine[at] for at in rng.permutation(len(mine))[:count]]
        people += [(female, age, float(age), path) for path, age in chosen]
    return _numbered(people, rng)


def _cells(total: int, elderly: float) -> dict[tuple[bool, int], int]:
    """How many of each (female, age group): whole numbers nearest to the shares that add up to `total`."""
    rest = (1 - elderly) / (YOUNG + MIDDLE)
    ages = (YOUNG * rest, MIDDLE * rest, elderly)
    cells = {
        (female, group): ages[group] * (WOMEN if female else 1 - WOMEN)
        for female in (False, True)
        for group in range(3)
    }
    exact = np.array(list(cells.values())) * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return dict(zip(cells, counts.tolist(), strict=True))


def _age(group: int, rng: np.random.Generator) -> float:
    """An age in years, with its fraction; the elderly are all exactly 60, as in the real data set."""
    if group == 0:
        return rng.uniform(18, 30)
    if group == 2:
        return 60.0
    if rng.random() < EDGE_SHARE:
        return rng.choice(list(EDGE), p=np.array(list(EDGE.values())) / sum(EDGE.values())) + rng.random()
    return rng.uniform(30, 57)


def _numbered(people: list[tuple], rng: np.random.Generator) -> list[Subject]:
    return [Subject(FIRST_ID + number, *people[at]) for number, at in enumerate(rng.permutation(len(people)))]
