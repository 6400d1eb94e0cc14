"""Chooses the people of a competition, drawn or photographed: genders and age groups have their real shares."""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import labels
from core.refusal import Refusal

UTKFACE_NAME = re.compile(r"^(\d+)_([01])_([0-4])_\d+\.(jpg|jpeg|png)(\.chip\.jpg)?$", re.IGNORECASE)
#: Shares of people under 30, from 30 to 59 and aged 60, and of women, among the 2,700 people of the real data set.
YOUNG, MIDDLE_AGED, ELDERLY, WOMEN = 0.474, 0.455, 0.071, 0.614
#: How many people of the real data set have these ages, and the share of them among the middle-aged.
EDGE_AGES, EDGE_COUNTS, EDGE_SHARE = (57, 58, 59), np.array([106, 159, 85]), 0.285
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
    """`total` people to draw, in random order; each gender x age group has its exact share, `elderly` are 60."""
    people: list[Traits] = []
    for (female, group), count in _counts(total, elderly).items():
        ages = [_random_age(group, rng) for _ in range(count)]
        people += [(female, int(age), age, "") for age in ages]
    return _numbered(people, rng)


def photographed(folder: Path, total: int, elderly: float, rng: np.random.Generator) -> list[Subject]:
    """`total` people aged 18 or more of a folder of UTKFace photographs, with the same shares as in `drawn`.
    Refuses: no such folder, or too few photographs of a gender and age group."""
    if not folder.is_dir():
        raise Refusal(f"--photos {folder}: is not a folder")
    matches = [(str(path), UTKFACE_NAME.match(path.name)) for path in sorted(folder.iterdir())]
    found = [(match[2] == "1", int(match[1]), float(match[1]), path) for path, match in matches if match]
    people: list[Traits] = []
    for (female, group), count in _counts(total, elderly).items():
        stratum = [each for each in found if each[1] >= 18 and (each[0], labels.age_group(each[1])) == (female, group)]
        if len(stratum) < count:
            needs = f"{count} photographs of {labels.GENDER[female]} {labels.AGE[group]} are needed"
            raise Refusal(f"--photos {folder}: {needs} and {len(stratum)} are there; ask for fewer people")
        people += [stratum[index] for index in rng.permutation(len(stratum))[:count]]
    return _numbered(people, rng)


def _counts(total: int, elderly: float) -> dict[tuple[bool, int], int]:
    """How many people of each (female, age group): whole numbers nearest to the shares that add up to `total`."""
    rest = (1 - elderly) / (YOUNG + MIDDLE_AGED)
    exact = np.outer((1 - WOMEN, WOMEN), (YOUNG * rest, MIDDLE_AGED * rest, elderly)).ravel() * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return dict(zip(itertools.product((False, True), range(3)), counts.tolist(), strict=True))


def _random_age(group: int, rng: np.random.Generator) -> float:
    """An age in years, with its fraction; the elderly are all exactly 60, as in the real data set."""
    if group == 0:
        return rng.uniform(18, 30)
    if group == 2:
        return 60.0
    if rng.random() < EDGE_SHARE:
        return rng.choice(EDGE_AGES, p=EDGE_COUNTS / EDGE_COUNTS.sum()) + rng.random()
    return rng.uniform(30, 57)


def _numbered(people: list[Traits], rng: np.random.Generator) -> list[Subject]:
    return [Subject(FIRST_NUMBER + number, *people[index]) for number, index in enumerate(rng.permutation(len(people)))]
