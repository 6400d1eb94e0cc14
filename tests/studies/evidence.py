"""From kept results to answers: each claim's two sides as predicted classes by seed, scored and compared."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from core import labels, score
from ensembles.voting.adjust import choose_age_factors
from ensembles.voting.selection import soft_vote
from ensembles.voting.votes import Hard, Soft
from tests.studies import answer
from tests.studies.answer import Answer, BySeed, Scores
from tests.studies.kept import People, Result
from tests.studies.table import Claim, Side

Results = dict[tuple[str, int], Result]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The study's kept results, and whom they are about."""

    results: Results
    people: People

    def seeds(self, side: Side) -> list[int]:
        """The seeds that every arm of the side has."""
        return sorted({seed for _, seed in self.results if all((arm, seed) in self.results for arm in side.arms)})

    def predicted(self, side: Side, seed: int, on: str) -> np.ndarray:
        """(n,) classes."""
        results = [self.results[arm, seed] for arm in side.arms]
        if side.how == "best_fold":
            (result,) = results
            rows = [self.people.fold == fold for fold in range(len(result.fold_tests))]
            best = [score.macro_f1(self.people.label[own].astype(int), result.oof[own]) for own in rows]
            return result.fold_tests[int(np.argmax(best))]
        if side.how == "adjusted":
            (result,) = results
            factors = choose_age_factors(result.oof_probs, self.people.label.astype(int))
            return soft_vote(result.test_probs[None], [0], factors)
        if side.how == "runs":
            return getattr(results[0], on)
        vote = {"soft": Soft, "hard": Hard}[side.how]
        probs = [getattr(result, f"{on}_probs") for result in results]
        return vote.combine(probs, np.full(len(probs), 1 / len(probs))).argmax(1)

    def truth(self, on: str) -> tuple[np.ndarray, np.ndarray]:
        """(n,) true classes, and whose image each is."""
        people = self.people
        label, person = (people.label, people.person) if on == "oof" else (people.test_label, people.test_person)
        return label.astype(np.int64), person

    @functools.cache  # noqa: B019 - lives as long as the command
    def scores(self, side: Side, on: str) -> Scores:
        """Macro F1 of each seed."""
        label, person = self.truth(on)
        all_predicted = [self.predicted(side, seed, on) for seed in self.seeds(side)]
        values = np.array([score.macro_f1(label, predicted) for predicted in all_predicted])
        draws = np.array([score.f1_draws(label, predicted, person) for predicted in all_predicted])
        return Scores(values, draws, len(np.unique(person)))

    @functools.cache  # noqa: B019
    def tasks(self, side: Side, on: str) -> np.ndarray:
        """(3,) accuracy of mask, gender and age, the mean over seeds."""
        true = labels.split(self.truth(on)[0])
        found = [labels.split(self.predicted(side, seed, on)) for seed in self.seeds(side)]
        return np.array([[score.accuracy(*pair) for pair in zip(true, each, strict=True)] for each in found]).mean(0)

    def by_seed(self, on: str) -> BySeed:
        """The variance between seeds, pooled over all arms."""
        arms = [Side((arm,)) for arm in dict.fromkeys(arm for arm, _ in self.results)]
        return answer.pooled([self.scores(arm, on) for arm in arms])

    def score(self, side: Side, on: str) -> Answer:
        """The side's macro F1 with its interval, as a difference from nothing."""
        return answer.single(self.scores(side, on), self.by_seed(on))

    def answers(self, claims: list[Claim]) -> list[Answer]:
        """Of claims whose sides have runs."""
        by_seed = {on: self.by_seed(on) for on in {claim.on for claim in claims}}
        sides = {claim: (self.scores(claim.better, claim.on), self.scores(claim.than, claim.on)) for claim in claims}
        shared = {
            claim: one - other for claim, (one, other) in sides.items() if set(claim.better.arms) & set(claim.than.arms)
        }
        kinds = {claim: frozenset((claim.better.how, claim.than.how, claim.on)) for claim in shared}
        paired = {
            kind: answer.pooled([scores for claim, scores in shared.items() if kinds[claim] == kind])
            for kind in kinds.values()
        }
        return [
            answer.compare(*sides[claim], by_seed[claim.on], paired[kinds[claim]] if claim in shared else None)
            for claim in claims
        ]
