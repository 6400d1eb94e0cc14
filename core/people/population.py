"""Chooses the people of a competition, drawn or photographed: genders and age groups have their real shares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import labels
from core.refusal import Refusal

UTKFACE_NAME = re.compile(r"^(\d+)_([01])_([0-4])_\d+\.(jpg|jpeg|png)(\.chip\.jpg)?$", re.IGNORECASE)
#: Shares of people under 30, from 30 to 59 and aged 60, and of women, among the 2,700 people of the real data set.
YOUNG, MIDDLE_AGED, ELDERLY, WOMEN = 0.474, 0.455, 0.071, 0.614
#: How many middle-aged people of the real data set are 57, 58 and 59, and the share of these three ages together.
EDGE_COUNTS, EDGE_SHARE = {57: 106, 58: 159, 59: 85}, 0.285
#: Above every number in the list of known label errors (core/data/fixes.py), so that none is applied to a drawn person.
FIRST_NUMBER = 100_000


class Subject(NamedTuple):
    """One person: the recorded age in whole years, the age to draw in years, and the path of a photograph or ""."""

    number: int
    female: bool
    age: int
    true_age: float
    photo: str


#: A Subject without its number.
Traits = tuple[bool, int, float, str]


def drawn(total: int, elderly: float, rng: np.random.Generator) -> list[Subject]:
    """`total` people to draw, in random order; each gender and age group has its exact share.

    Args:
        total: number of people.
        elderly: share of people aged 60, between 0 and 1.
        rng: decides the ages and the order.
    """
    people: list[Traits] = []
    for (female, group), count in _counts(total, elderly).items():
        ages = [_random_age(group, rng) for _ in range(count)]
        people += [(female, int(age), age, "") for age in ages]
    return _numbered(people, rng)


def photographed(folder: Path, total: int, elderly: float, rng: np.random.Generator) -> list[Subject]:
    """`total` people aged 18 or more of a folder of UTKFace photographs, with the same shares as in `drawn`.

    Raises:
        Refusal: no such folder, or too few photographs of a gender and age group.
    """
    if not folder.is_dir():
        raise Refusal(f"--photos {folder}: is not a folder")
    matches = [(str(path), UTKFACE_NAME.match(path.name)) for path in sorted(folder.iterdir())]
    adults = [(path, match[2] == "1", int(match[1])) for path, match in matches if match and int(match[1]) >= 18]
    people: list[Traits] = []
    for (female, group), count in _counts(total, elderly).items():
        stratum = [
            (path, age) for path, is_female, age in adults if (is_female, labels.age_group(age)) == (female, group)
        ]
        if len(stratum) < count:
            name = f"{labels.GENDER[female]} {labels.AGE[group]}"
            raise Refusal(
                f"--photos {folder}: {count} photographs of {name} are needed and {len(stratum)} are there; ask for fewer people"
            )
        chosen = [stratum[index] for index in rng.permutation(len(stratum))[:count]]
        people += [(female, age, float(age), path) for path, age in chosen]
    return _numbered(people, rng)


def _counts(total: int, elderly: float) -> dict[tuple[bool, int], int]:
    """How many people of each (female, age group): whole numbers nearest to the shares that add up to `total`."""
    rest = (1 - elderly) / (YOUNG + MIDDLE_AGED)
    groups = (YOUNG * rest, MIDDLE_AGED * rest, elderly)
    shares = {
        (female, group): groups[group] * (WOMEN if female else 1 - WOMEN)
        for female in (False, True)
        for group in range(3)
    }
    exact = np.array(list(shares.values())) * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return dict(zip(shares, counts.tolist(), strict=True))


def _random_age(group: int, rng: np.random.Generator) -> float:
    """An age in years, with its fraction; the elderly are all exactly 60, as in the real data set."""
    if group == 0:
        return rng.uniform(18, 30)
    if group == 2:
        return 60.0
    if rng.random() < EDGE_SHARE:
        counts = np.array(list(EDGE_COUNTS.values()))
        return rng.choice(list(EDGE_COUNTS), p=counts / counts.sum()) + rng.random()
    return rng.uniform(30, 57)


def _numbered(people: list[Traits], rng: np.random.Generator) -> list[Subject]:
    return [Subject(FIRST_NUMBER + number, *people[index]) for number, index in enumerate(rng.permutation(len(people)))]
