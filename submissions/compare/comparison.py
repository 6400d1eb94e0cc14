"""The numbers of a comparison of submissions; the terminal and the page show the same ones.

What needs the true labels takes them from a finished run, or from the data folder; without both it is None.
"""

import sys
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from core import score
from core.data import competition
from core.refusal import Refusal
from core.reports import listing
from ensembles.voting import submission
from ensembles.voting.submission import Submission

#: Up to so many submissions every pair is shown; of more, each is compared with the best only.
EVERY_PAIR = 4
#: Positions of two submissions in a comparison, the better one first.
Pair = tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """The submissions of one data set, the best macro F1 first, and its training `rows`, None if not available."""

    submissions: list[Submission]
    rows: pd.DataFrame | None
    _cached_draws: dict[bytes, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.submissions]

    def scores(self, index: int) -> score.Summary | None:
        """The out-of-fold scores in the submission's JSON; None if too few people were held out."""
        return self.submissions[index].manifest["tree"]["oof"]

    def row_counts(self, index: int) -> tuple[int, int]:
        """The number of training rows that the submission predicts out of fold, and of all training rows."""
        oof = self.submissions[index].oof
        return int((oof >= 0).sum()), len(oof)

    def coverage(self, index: int) -> str:
        """The number of rows in the score: "2100", or "1050 of 2100"."""
        predicted, total = self.row_counts(index)
        return f"{predicted}" if predicted == total else f"{predicted} of {total}"

    @cached_property
    def agreement(self) -> np.ndarray:
        """(k, k): the share of test images for which two submissions predict the same class."""
        predicted = np.stack([each.test for each in self.submissions])
        return (predicted[:, None] == predicted).mean(2)

    @cached_property
    def class_counts(self) -> np.ndarray:
        """(k, 18): how many test images each submission predicts for each class."""
        return np.stack([np.bincount(each.test, minlength=18) for each in self.submissions])

    @cached_property
    def expected_counts(self) -> np.ndarray | None:
        """(18,): how many test images each class would have if test had the class distribution of training."""
        if self.rows is None:
            return None
        return np.bincount(self.rows["label"], minlength=18) / len(self.rows) * len(self.submissions[0].test)

    @cached_property
    def differences(self) -> dict[Pair, score.Difference | None]:
        """By pair (i, j), i < j: `score.paired`; None without true labels, or if both predict too few people."""
        return {pair: self._difference(pair) for pair in combinations(range(len(self.submissions)), 2)}

    def _difference(self, pair: Pair) -> score.Difference | None:
        if self.rows is None:
            return None
        one, other = (self.submissions[index].oof for index in pair)
        both = (one >= 0) & (other >= 0)
        if not both.any() or (len(np.unique(self._people[both])) < score.ENOUGH_PEOPLE and not both.all()):
            return None
        return score.paired(self.rows["label"].to_numpy(), one, other, self._people, self._draws)

    def difference_text(self, pair: Pair) -> tuple[str, str, str]:
        """The pair's difference, its interval and the verdict."""
        difference = self.differences[pair]
        if difference is None:
            reason = "the true labels are missing" if self.rows is None else "both predict too few people"
            return "", "", f"not known: {reason}"
        interval = score.interval(difference["low"], difference["high"], "+")
        verdict = f"{listing.verdict(difference['better'])}  ({difference['people']} people)"
        return f"{difference['difference']:+.4f}", interval, verdict

    @cached_property
    def _people(self) -> np.ndarray:
        """(n_train,) int: the person of each row."""
        assert self.rows is not None
        return np.unique(self.rows["person"].to_numpy().astype(str), return_inverse=True)[1]

    def _draws(self, true: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> np.ndarray:
        """`score.f1_draws`, computed once for all pairs of a submission."""
        key = np.stack([true, predicted, people]).tobytes()
        if key not in self._cached_draws:
            self._cached_draws[key] = score.f1_draws(true, predicted, people)
        return self._cached_draws[key]

    def shown_pairs(self) -> list[Pair]:
        """Every pair if there are few submissions, else the best with each of the others."""
        number = len(self.submissions)
        return [(i, j) for i, j in combinations(range(number), 2) if number <= EVERY_PAIR or i == 0]


def load_comparisons(names: list[str], root: Path) -> list[Comparison]:
    """A comparison for each data set of these submissions (all, without names); the data folder `root` need not exist.
    Without names a damaged one is told and left out; a submission that was made elsewhere joins those that answer the
    same images.
    Refuses: a name that is no submission, a damaged one, or two of one data set that answer different images."""
    submissions = _loaded(names)
    sets: dict[tuple[str, str], list[Submission]] = {}
    for each in sorted(submissions, key=lambda each: -_macro_f1(each)):
        if each.manifest["rows"]:
            sets.setdefault((each.manifest["rows"], each.manifest["labels"]), []).append(each)
    for each in submissions:
        if not each.manifest["rows"]:
            same = [own for own in sets.values() if set(own[0].ids) == set(each.ids)]
            (same[0] if same else sets.setdefault(("", "\n".join(sorted(each.ids))), [])).append(each)
    comparisons = []
    for first, *others in sets.values():
        alike = [other.like(first) for other in others]
        for other in alike:
            if len(other.oof) != len(first.oof):
                raise Refusal(f"{other.name}: has other training rows than {first.name}; write it again with --force")
        comparisons.append(Comparison([first, *alike], _training_rows(first, root)))
    return comparisons


def _loaded(names: list[str]) -> list[Submission]:
    found = []
    for name in dict.fromkeys(names or submission.names()):
        try:
            found.append(submission.load(name))
        except Refusal as refusal:
            if names:
                raise
            print(f"left out: {refusal}", file=sys.stderr)
    return found


def _macro_f1(each: Submission) -> float:
    return scores["macro_f1"][0] if (scores := each.manifest["tree"]["oof"]) else -1.0


def _training_rows(first: Submission, root: Path) -> pd.DataFrame | None:
    """The training rows with true labels, from a finished run, or from the data folder if it has this data set."""
    rows = first.rows()
    if rows is not None or not root.is_dir():
        return rows
    try:
        table = competition.load(root)
    except Refusal:
        return None
    digests, manifest = table.digests(), first.manifest
    return table.train.frame if (digests["rows"], digests["labels"]) == (manifest["rows"], manifest["labels"]) else None
