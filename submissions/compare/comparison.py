"""What there is to say of submissions side by side, in numbers: terminal and page show the same ones.

A `Comparison` holds the submissions of one data set, best out of fold first. What needs the true labels (paired
differences, the training mix) asks a finished run of that data set, else the data folder; without both it is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core import score
from core.data import competition
from core.refusal import Refusal
from core.reports import listing
from ensembles.voting import submission
from ensembles.voting.submission import Submission

if TYPE_CHECKING:
    import pandas as pd

#: Up to so many submissions every pair is printed; of more, each against the best.
EVERY_PAIR = 4
Pair = tuple[int, int]


class Image(NamedTuple):
    """One image that submissions disagree on: a row of "train" or of "test"."""

    part: str
    row: int


@dataclass(frozen=True)
class Comparison:
    """The submissions of one data set, best out of fold first, and its training `rows` if they can be asked."""

    submissions: list[Submission]
    rows: pd.DataFrame | None

    def scores(self, which: int) -> dict[str, Any] | None:
        """The out-of-fold summary that was written with the submission; None if too few people were held out."""
        return self.submissions[which].manifest["tree"]["oof"]

    def answered(self, which: int) -> tuple[int, int]:
        """How many training rows the submission answers out of fold, and how many there are."""
        oof = self.submissions[which].oof
        return int((oof >= 0).sum()), len(oof)

    def coverage(self, which: int) -> str:
        """The rows that the score counts: "2100", or "1050 of 2100"."""
        some, every = self.answered(which)
        return f"{some}" if some == every else f"{some} of {every}"

    @cached_property
    def agreement(self) -> np.ndarray:
        """(k, k): the share of test images that two submissions answer alike."""
        answers = np.stack([found.test for found in self.submissions])
        return (answers[:, None] == answers).mean(2)

    @cached_property
    def class_counts(self) -> np.ndarray:
        """(k, 18): how often each submission says each class of the test images."""
        return np.stack([np.bincount(found.test, minlength=18) for found in self.submissions])

    @cached_property
    def training_mix(self) -> np.ndarray | None:
        """(18,): how often each class would be true on test if test were mixed as training is."""
        if self.rows is None:
            return None
        mix = np.bincount(self.rows["label"], minlength=18)
        return mix / mix.sum() * len(self.submissions[0].test)

    @cached_property
    def differences(self) -> dict[Pair, score.Difference | None]:
        """{(i, j), i < j: how much better i is than j, as `score.paired` says}; None where that cannot be said:
        the true labels are not to be had, or both answer too few people."""
        return {pair: self._difference(pair) for pair in combinations(range(len(self.submissions)), 2)}

    def _difference(self, pair: Pair) -> score.Difference | None:
        if self.rows is None:
            return None
        one, other = (self.submissions[which].oof for which in pair)
        both = (one >= 0) & (other >= 0)
        people = self._people
        if not both.any() or (len(np.unique(people[both])) < score.ENOUGH_PEOPLE and not both.all()):
            return None
        return score.paired(self.rows["label"].to_numpy(), one, other, people, self._draws)

    def in_words(self, pair: Pair) -> tuple[str, str, str]:
        """The pair's difference, its interval, and what follows."""
        told = self.differences[pair]
        if told is None:
            why = "both answer too few people" if self.rows is not None else "the true labels are not here"
            return "", "", f"can't be said: {why}"
        return (
            f"{told['difference']:+.4f}",
            score.interval(told["low"], told["high"], "+"),
            f"{listing.verdict(told['better'])}  ({told['people']} people)",
        )

    @cached_property
    def _people(self) -> np.ndarray:
        """(n_train,) int: who each row shows."""
        assert self.rows is not None
        return np.unique(self.rows["person"].to_numpy().astype(str), return_inverse=True)[1]

    @cached_property
    def _drawn(self) -> dict[bytes, np.ndarray]:
        return {}

    def _draws(self, true: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> np.ndarray:
        """`score.f1_draws`, drawn once for all the pairs that a submission is in."""
        key = np.stack([true, predicted, people]).tobytes()
        if key not in self._drawn:
            self._drawn[key] = score.f1_draws(true, predicted, people)
        return self._drawn[key]

    def shown_pairs(self) -> list[Pair]:
        """Every pair while there are few, else the best submission with each of the others."""
        number = len(self.submissions)
        if number <= EVERY_PAIR:
            return list(combinations(range(number), 2))
        return [(0, other) for other in range(1, number)]

    def disputed(self, pair: Pair, part: str) -> np.ndarray:
        """Rows of "train" (out of fold, where both answer) or "test" on which two submissions differ."""
        if part == "test":
            return np.flatnonzero(self.submissions[pair[0]].test != self.submissions[pair[1]].test)
        one, other = (self.submissions[which].oof for which in pair)
        return np.flatnonzero((one != other) & (one >= 0) & (other >= 0))


def compare(names: list[str], root: Path) -> list[Comparison]:
    """The submissions of these names (all, if none is given), those of one data set together; the best comes first.

    Raises:
        Refusal: a name that is no submission, a damaged one, or two of one data set that answer other images.
    """
    found = [submission.load(name) for name in dict.fromkeys(names or submission.names())]
    found.sort(key=lambda one: -_value(one))
    sets: dict[tuple[str, str], list[Submission]] = {}
    for one in found:
        sets.setdefault((one.manifest["rows"], one.manifest["labels"]), []).append(one)
    return [Comparison(_alike(together), _rows(together, root)) for together in sets.values()]


def _value(one: Submission) -> float:
    found = one.manifest["tree"]["oof"]
    return found["macro_f1"][0] if found else -1.0


def _alike(together: list[Submission]) -> list[Submission]:
    first, *others = together
    for other in others:
        if other.ids != first.ids or len(other.oof) != len(first.oof):
            raise Refusal(
                f"{other.name}: answers other images than {first.name}, and should not; write it again with --force"
            )
    return together


def _rows(together: list[Submission], root: Path) -> pd.DataFrame | None:
    """The training rows with their true labels, from a finished run or from the data folder if it is this data set."""
    rows = together[0].rows()
    if rows is not None or not root.is_dir():
        return rows
    try:
        table = competition.load(root)
    except Refusal:
        return None
    digests, manifest = table.digests(), together[0].manifest
    return table.train.frame if (digests["rows"], digests["labels"]) == (manifest["rows"], manifest["labels"]) else None


def contested(found: Comparison, most: int) -> list[Image]:
    """At most `most` images on which submissions differ, spread evenly over the pairs and over test and training.

    A turn goes to the pair and part that has the fewest so far. Training images of a person who is there already
    come later: seven near-copies say little more than one. The choice is the same every time.
    """
    queues = {
        (pair, part): _spread(found, part, found.disputed(pair, part))
        for pair in combinations(range(len(found.submissions)), 2)
        for part in ("test", "train")
    }
    counts = dict.fromkeys(queues, 0)
    chosen: list[Image] = []
    taken: set[Image] = set()
    while queues and len(chosen) < most:
        turn = min(queues, key=lambda key: counts[key])
        image = next((image for image in queues[turn] if image not in taken), None)
        if image is None:
            del queues[turn]
            continue
        chosen.append(image)
        taken.add(image)
        for key in counts:
            counts[key] += _differ(found, key[0], image) and key[1] == image.part
    return chosen


def _differ(found: Comparison, pair: Pair, image: Image) -> bool:
    one, other = (said(found.submissions[which], image) for which in pair)
    return one != other and one >= 0 and other >= 0


def said(one: Submission, image: Image) -> int:
    """The class that the submission says the image is, -1 for a training image that no fold held."""
    return int((one.test if image.part == "test" else one.oof)[image.row])


def _spread(found: Comparison, part: str, rows: np.ndarray) -> Iterator[Image]:
    """These rows in a drawn order, every person's first before anybody's second."""
    order = np.random.default_rng(0).permutation(
        len(found.submissions[0].test if part == "test" else found.submissions[0].oof)
    )
    rows = order[np.isin(order, rows)]
    if part == "train" and found.rows is not None:
        people = found.rows["person"].iloc[rows]
        rows = rows[np.argsort(people.groupby(people).cumcount().to_numpy(), kind="stable")]
    return (Image(part, int(row)) for row in rows)
