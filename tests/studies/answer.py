"""What the runs say of a claim: the mean difference in macro F1, its interval over people and seeds, and a verdict.

Two sources of chance are added. People: the variance of the difference of the seeds' means, by bootstrap over people.
Seeds: the variance between seeds of one arm, pooled over the study's arms, because three seeds alone say little of it.
A part of that is people again (the images that change their class from seed to seed), which the bootstrap has counted
already; it is estimated from the bootstrap of each seed's deviation, and taken off. The interval is Student's t with
the degrees of freedom of Satterthwaite (1946) for the sum of the two.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Share of intervals that do not cover.
LEVEL = 0.05
#: A difference in macro F1 that is too small to matter.
SMALL = 0.01


@dataclass(frozen=True)
class Scores:
    """Of several seeds: macro F1 (s,), the same over people drawn with replacement (s, draws), and how many people."""

    values: np.ndarray
    draws: np.ndarray
    people: int

    @functools.cached_property
    def between(self) -> float:
        """The variance between seeds."""
        return float(self.values.var(ddof=1))

    @functools.cached_property
    def within(self) -> float:
        """The part of `between` that more people would make smaller: each seed's own mistakes."""
        own = self.draws - self.draws.mean(0)
        return float(own.var(1, ddof=1).mean() * len(own) / (len(own) - 1))

    def __sub__(self, other: Scores) -> Scores:
        """Seed by seed, for two sides that share their runs."""
        return Scores(self.values - other.values, self.draws - other.draws, self.people)


@dataclass(frozen=True)
class BySeed:
    """The variance between seeds that people do not explain, pooled over arms, and its degrees of freedom."""

    variance: float
    freedom: float


def pooled(arms: list[Scores]) -> BySeed:
    """Over all arms of more than one seed; no variance and no freedom where there is none."""
    many = [each for each in arms if len(each.values) > 1]
    freedom = sum(len(each.values) - 1 for each in many)
    if not freedom:
        return BySeed(math.nan, 0)
    total = sum((len(each.values) - 1) * (each.between - each.within) for each in many)
    return BySeed(max(total / freedom, 0.0), freedom)


@dataclass(frozen=True)
class Answer:
    """A difference, its standard error with degrees of freedom, and what people and seeds each add to its variance."""

    difference: float
    by_people: float
    by_seed: float
    freedom: float
    people: int

    @property
    def error(self) -> float:
        return math.sqrt(self.by_people + self.by_seed)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        reach = stats.t.ppf(1 - level / 2, self.freedom) * self.error
        return self.difference - reach, self.difference + reach

    def p(self, against: float) -> float:
        """Two-sided, of a true difference of `against`."""
        if self.error == 0:
            return float(self.difference == against)
        return float(2 * stats.t.sf(abs(self.difference - against) / self.error, self.freedom))

    @property
    def verdict(self) -> str:
        low, high = self.interval()
        return "holds" if low > 0 else "does not hold" if high < SMALL else "can't tell"

    @property
    def people_needed(self) -> int | None:
        """How many people would decide it, were the difference what it seems; None if more people alone never would."""
        distance = max(self.difference, SMALL - self.difference)
        left = (distance / stats.t.ppf(1 - LEVEL / 2, self.freedom)) ** 2 - self.by_seed
        return math.ceil(self.people * self.by_people / left) if left > 0 else None


def compare(better: Scores, than: Scores, seeds: BySeed, paired: BySeed | None = None) -> Answer:
    """`paired`: the variance between seeds of such differences, for two sides that are made of the same runs."""
    share = 1 / len(better.values) if paired else 1 / len(better.values) + 1 / len(than.values)
    drawn = better.draws.mean(0) - than.draws.mean(0)
    return _answer(better.values.mean() - than.values.mean(), drawn, paired or seeds, share, better.people)


def single(scores: Scores, seeds: BySeed) -> Answer:
    """The score itself, as a difference from nothing."""
    return _answer(scores.values.mean(), scores.draws.mean(0), seeds, 1 / len(scores.values), scores.people)


def _answer(value: float, drawn: np.ndarray, seeds: BySeed, share: float, number: int) -> Answer:
    """`drawn` (draws,) over people; `share` of the variance between seeds that is left in the mean over them."""
    people, seed = float(drawn.var(ddof=1)), seeds.variance * share
    total = people + seed
    parts = ((people, number - 1), (seed, seeds.freedom))
    freedom = total**2 / sum(part**2 / of for part, of in parts if part) if total else math.inf
    return Answer(float(value), people, seed, freedom, number)


def corrected(answers: list[Answer]) -> list[str]:
    """The verdicts after Holm's correction (1979), which keeps the chance of any wrong one below the level."""
    holds = holm([each.p(0) if each.difference > 0 else 1.0 for each in answers])
    not_holds = holm([each.p(SMALL) if each.difference < SMALL else 1.0 for each in answers])
    return [
        "holds" if yes < LEVEL else "does not hold" if no < LEVEL else "can't tell"
        for yes, no in zip(holds, not_holds, strict=True)
    ]


def holm(p: list[float]) -> list[float]:
    """Adjusted p values: the smallest times their number, the next times one less, never falling."""
    order, adjusted, highest = np.argsort(p, kind="stable"), [1.0] * len(p), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, p[at] * (len(p) - rank)))
        adjusted[at] = highest
    return adjusted
