"""Greedy ensemble selection: which finished runs to use in a soft vote, and with which weights. Free of torch.

    python -m ensembles.voting.selection                               all finished runs, if they are of one data set
    python -m ensembles.voting.selection --like v5_multitask/effb0     the runs of this run's data set
    python -m ensembles.voting.selection --only v5_multitask/effb0,v4_separate/effb0

Prints the selection as an expression, and compares it with the best single run and with the soft vote of all runs.
A score on the rows that the runs were chosen on is too high, so each method is also cross-validated: the people
are assigned to five groups, and each group is predicted by the runs that were chosen on the other four.
"""

import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from tqdm import tqdm

from core import flags, labels, recipe, score
from core.data import folds
from core.data.table import Rows
from core.reports import listing
from ensembles.voting import candidates
from ensembles.voting.adjust import UNCHANGED, Adjusted, Factors, choose_age_factors
from ensembles.voting.candidates import Candidates
from ensembles.voting.nodes import RunNode
from ensembles.voting.votes import Soft

GROUPS = 5
GREEDY, ADJUSTED = "greedy selection", "greedy selection, adjusted by age"
#: Macro F1s that are equal to so many decimals are tied.
DECIMALS = 12

#: (probs (m, n, 18), true (n,)) -> positions of the chosen runs, each as often as its weight, and factors by age.
Method = Callable[[np.ndarray, np.ndarray], tuple[list[int], Factors]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The runs to choose from."""

    like: str = ""  # KERNEL/NAME: choose from the runs of its data set
    only: tuple[str, ...] = ()  # choose from these runs only
    rounds: flags.Count = 25  # how often a run is added; the weights add up to at most this


@dataclass(frozen=True)
class Selection:
    """The runs that a method chooses on all rows, and classes (n,) from two soft votes.
    `on_all_rows`: of these runs. `cross_validated`: each row from runs that were chosen on other people."""

    method: str
    positions: list[int]
    factors: Factors
    cross_validated: np.ndarray
    on_all_rows: np.ndarray


def select(
    probs: np.ndarray, true: np.ndarray, rounds: int = 25, on_round: Callable[[], object] = lambda: None
) -> list[int]:
    """Positions of the chosen runs in the order of choice, each as often as it was chosen.
    Every round adds the run that makes the macro F1 of the mean probabilities greatest, the first of
    those tied; the answer is the best prefix of the rounds, the shortest of those tied. (Caruana,
    Niculescu-Mizil, Crew, Ksikes: Ensemble Selection from Libraries of Models, ICML 2004.)
    `probs` (m, n, 18) float64: each run's of the same rows; `true` (n,) int: 0..17; `on_round`: called after each."""
    total = np.zeros(probs.shape[1:])
    positions: list[int] = []
    reached: list[float] = []
    for _ in range(rounds):
        scores = [score.macro_f1(true, (total + each).argmax(1)) for each in probs]
        positions.append(_first_best(scores))
        reached.append(scores[positions[-1]])
        total += probs[positions[-1]]
        on_round()
    return positions[: _first_best(reached) + 1]


def _first_best(scores: list[float]) -> int:
    return int(np.round(scores, DECIMALS).argmax())


def soft_vote(probs: np.ndarray, positions: list[int], factors: Factors = UNCHANGED) -> np.ndarray:
    """(n,) classes by the soft vote of the chosen runs, added in the order of `select` so that ties are the same."""
    return (np.asarray(sum(probs[position] for position in positions)) * np.tile(factors, 6)).argmax(1)


def cross_validate(probs: np.ndarray, true: np.ndarray, groups: np.ndarray, method: Method) -> np.ndarray:
    """(n,) classes: each of the groups (n,) is predicted by the runs that `method` chooses on the other groups."""
    predicted = np.empty(len(true), np.int64)
    for group in np.unique(groups):
        held_out = groups == group
        predicted[held_out] = soft_vote(probs[:, held_out], *method(probs[:, ~held_out], true[~held_out]))
    return predicted


def assign_groups(rows: pd.DataFrame) -> np.ndarray:
    """(n,) int: five groups of whole people, assigned as folds are. `rows` has person, age and label."""
    gender = labels.split(rows["label"].to_numpy())[1]
    return folds.assign(Rows(rows.assign(gender=gender)), GROUPS, 0)


def compare_methods(runs: Candidates, rounds: int) -> list[Selection]:
    """The greedy selection, the best single run, the soft vote of all, and the first with factors by age; those are
    left out below `ENOUGH_PEOPLE`, who say too little."""
    true, groups = runs.rows["label"].to_numpy(), assign_groups(runs.rows)
    selections = []
    with tqdm(total=rounds * (GROUPS + 1), desc="choosing", unit="round", disable=None, leave=False) as bar:
        methods: dict[str, Method] = {
            GREEDY: lambda probs, true: (select(probs, true, rounds, bar.update), UNCHANGED),
            "best single run": lambda probs, true: (select(probs, true, 1), UNCHANGED),
            "soft vote of all": lambda probs, true: (list(range(len(probs))), UNCHANGED),
        }
        if runs.rows["person"].nunique() >= score.ENOUGH_PEOPLE:
            methods[ADJUSTED] = partial(_with_factors, rounds, bar.update)
            bar.total *= 2
        for name, method in methods.items():
            chosen = method(runs.probs, true)
            predicted = cross_validate(runs.probs, true, groups, method)
            selections.append(Selection(name, *chosen, predicted, soft_vote(runs.probs, *chosen)))
    return selections


def _with_factors(
    rounds: int, on_round: Callable[[], object], probs: np.ndarray, true: np.ndarray
) -> tuple[list[int], Factors]:
    """The greedy selection, and then the age factors that suit its vote best."""
    positions = select(probs, true, rounds, on_round)
    return positions, choose_age_factors(probs[positions].mean(0), true)


def as_expression(names: list[str], factors: Factors = UNCHANGED) -> str:
    """The soft vote of these runs as an ensemble file has it, heaviest first; a name given k times has weight k."""
    counts = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    members = tuple(RunNode(name=name, weight=weight) for name, weight in counts)
    vote = Soft(members=members) if len(members) > 1 else RunNode(name=names[0])
    return str(vote if factors == UNCHANGED else Adjusted(members=(vote,), age=factors))


def verdict(chosen: Selection, others: list[Selection], rows: pd.DataFrame) -> str:
    """One sentence: the cross-validated selection against the better of the others, paired by person."""
    true, people = rows["label"].to_numpy(), rows["person"].to_numpy().astype(str)
    best = max(others, key=lambda other: score.macro_f1(true, other.cross_validated))
    difference = score.paired(true, chosen.cross_validated, best.cross_validated, people)
    text = score.with_interval([difference["difference"], difference["low"], difference["high"]], "+")
    answer = listing.verdict(difference["better"])
    advice = {"better": "use it", "worse": f"use the {best.method}"}
    excess = score.macro_f1(true, chosen.on_all_rows) - score.macro_f1(true, chosen.cross_validated)
    return (
        f"On people it was not chosen on, the macro F1 of the {chosen.method} differs by {text}"
        f" from the {best.method}: {answer}, so {advice.get(answer.split()[0], f'the {best.method} is as good')};"
        f" its macro F1 on all rows is {abs(excess):.4f} too {'high' if excess >= 0 else 'low'}."
    )


def print_selection(options: Options) -> None:
    """Print the methods with their scores, and the greedy selection as an expression."""
    runs = candidates.load(options.like, options.only, min_people=GROUPS)
    selections = compare_methods(runs, options.rounds)
    true, people = runs.rows["label"].to_numpy(), runs.rows["person"].to_numpy().astype(str)
    head = ("", "runs", "macro F1 on people not chosen on [95 %]", "macro F1 on all rows [95 %]")
    table: list[tuple[str, ...]] = [head]
    for selection in selections:
        predictions = (selection.cross_validated, selection.on_all_rows)
        scores = (score.summary(true, predicted, people)["macro_f1"] for predicted in predictions)
        table.append((selection.method, str(len(set(selection.positions))), *map(score.with_interval, scores)))
    print(f"{len(runs.names)} runs, {len(true)} held-out images of {len(set(people))} people")
    if runs.left_out:
        print(f"left out: {', '.join(runs.left_out)}")
    listing.print_table(table)
    print(verdict(selections[0], selections[1:3], runs.rows))
    for selection in selections[3:]:
        print(verdict(selection, selections[:1], runs.rows))
        print(as_expression([runs.names[position] for position in selection.positions], selection.factors))
    if len(selections) == 3:
        print(f"no factors by age are proposed below {score.ENOUGH_PEOPLE} people")
    best = as_expression([runs.names[position] for position in selections[0].positions])
    print(f"\n{best}\n\nin an ensemble file:  submit(__file__, {best})")
    print(f"as a command:         python -m ensembles.voting {shlex.quote(best)} --name chosen")


def main(argv: list[str]) -> None:
    print_selection(recipe.parse(Options, argv))


if __name__ == "__main__":
    main(sys.argv[1:])
