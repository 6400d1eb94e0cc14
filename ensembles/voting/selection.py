"""Greedy ensemble selection: which finished runs to vote softly with, and with what weights. Free of torch.

    python -m ensembles.voting.selection                               all finished runs, if they are of one data set
    python -m ensembles.voting.selection --like v5_multitask/effb0     those of this run's data set
    python -m ensembles.voting.selection --only v5_multitask/effb0,v4_separate/effb0

Prints the choice as an expression ready to paste, beside the best single run and the soft vote of all.
A choice that is scored on the rows it was made on flatters itself, so each is scored honestly too: the
people are dealt into five groups, and what is chosen on four of them answers for the fifth.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from core import flags, labels, recipe, score
from core.data import folds
from core.data.table import Rows
from core.reports import listing
from ensembles.voting import candidates
from ensembles.voting.nodes import RunNode
from ensembles.voting.votes import Soft

GROUPS = 5
#: Decimals that count: macro F1s that differ by less are tied.
DECIMALS = 12

#: Positions of the runs to vote with, repeated by weight, given `probs` (m, n, 18) and `true` (n,).
Chooser = Callable[[np.ndarray, np.ndarray], list[int]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to choose from."""

    like: str = ""  # KERNEL/NAME: choose among the runs of its data set
    only: tuple[str, ...] = ()  # choose among these runs alone
    rounds: flags.Count = 25  # how often a run is added; the weights add up to at most this


@dataclass(frozen=True)
class Choice:
    """Classes (n,) that a way of choosing gives: each row from runs chosen without it, and from runs chosen on all."""

    name: str
    chosen: list[int]
    honest: np.ndarray
    optimistic: np.ndarray


def select(probs: np.ndarray, true: np.ndarray, rounds: int = 25, step: Callable[[], Any] = lambda: None) -> list[int]:
    """Positions of the chosen runs in the order they were chosen, each as often as it was.

    Every round adds the run that makes the macro F1 of the mean probabilities greatest, the first of
    those tied; the answer is the best prefix of the rounds, the shortest of those tied. (Caruana,
    Niculescu-Mizil, Crew, Ksikes: Ensemble Selection from Libraries of Models, ICML 2004.)

    Args:
        probs: (m, n, 18) float64, what each run says of the same rows.
        true: (n,) int, classes 0..17.
        step: called after each round.
    """
    total = np.zeros(probs.shape[1:])
    chosen: list[int] = []
    reached: list[float] = []
    for _ in range(rounds):
        scores = [score.macro_f1(true, (total + each).argmax(1)) for each in probs]
        chosen.append(_first_best(scores))
        reached.append(scores[chosen[-1]])
        total += probs[chosen[-1]]
        step()
    return chosen[: _first_best(reached) + 1]


def single(probs: np.ndarray, true: np.ndarray) -> list[int]:
    """The run with the greatest macro F1, the first of those tied."""
    return select(probs, true, rounds=1)


def everyone(probs: np.ndarray, true: np.ndarray) -> list[int]:
    """Each run once, whatever it says."""
    return list(range(len(probs)))


def _first_best(scores: list[float]) -> int:
    return int(np.round(scores, DECIMALS).argmax())


def vote(probs: np.ndarray, chosen: list[int]) -> np.ndarray:
    """(n,) classes by the soft vote of the chosen runs; added up as `select` does, so that ties fall alike."""
    total = np.zeros(probs.shape[1:])
    for position in chosen:
        total += probs[position]
    return total.argmax(1)


def chosen_elsewhere(probs: np.ndarray, true: np.ndarray, groups: np.ndarray, choose: Chooser) -> np.ndarray:
    """(n,) classes: what `choose` takes on the rows of the other groups (n,) answers for each group."""
    said = np.empty(len(true), np.int64)
    for group in np.unique(groups):
        held = groups == group
        said[held] = vote(probs[:, held], choose(probs[:, ~held], true[~held]))
    return said


def deal(rows: Any) -> np.ndarray:
    """(n,) int: five groups of whole people, dealt as folds are. `rows` is a frame with person, age and label."""
    gender = labels.split(rows["label"].to_numpy())[1]
    return folds.assign(Rows(rows.assign(gender=gender)), GROUPS, 0)


def compare(found: candidates.Pool, rounds: int) -> list[Choice]:
    """The greedy selection, the best single run and the soft vote of all, each chosen honestly and on all rows."""
    from tqdm import tqdm

    true, groups = found.rows["label"].to_numpy(), deal(found.rows)
    choices = []
    with tqdm(total=rounds * (GROUPS + 1), desc="choosing", unit="round", disable=None, leave=False) as bar:
        ways: dict[str, Chooser] = {
            "greedy selection": partial(select, rounds=rounds, step=bar.update),
            "best single run": single,
            "soft vote of all": everyone,
        }
        for name, choose in ways.items():
            chosen = choose(found.probs, true)
            honest = chosen_elsewhere(found.probs, true, groups, choose)
            choices.append(Choice(name, chosen, honest, vote(found.probs, chosen)))
    return choices


def expression(names: list[str]) -> str:
    """The soft vote of these runs as an ensemble writes it, the heaviest first; a name that stands k times weighs k."""
    counts = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    if len(counts) == 1:
        return str(RunNode(name=names[0]))
    return str(Soft(voters=tuple(RunNode(name=name, weight=weight) for name, weight in counts)))


def verdict(greedy: Choice, others: list[Choice], rows: Any) -> str:
    """One sentence: the honest selection beside the better of the others, paired by resampling people."""
    true, people = rows["label"].to_numpy(), rows["person"].to_numpy().astype(str)
    rival = max(others, key=lambda other: score.macro_f1(true, other.honest))
    found = score.paired(true, greedy.honest, rival.honest, people)
    difference = [found[name] for name in ("difference", "low", "high")]
    told = listing.verdict(found["better"])
    advice = {"better": "take it", "worse": f"take the {rival.name}"}.get(
        told.split()[0], f"the {rival.name} does as well"
    )
    flattered = score.macro_f1(true, greedy.optimistic) - score.macro_f1(true, greedy.honest)
    return (
        f"On people it was not chosen on, the greedy selection is {score.with_interval(difference, '+')}"
        f" from the {rival.name}: {told}, so {advice};"
        f" its optimistic score says {abs(flattered):.4f} too {'much' if flattered >= 0 else 'little'}."
    )


def propose(options: Options) -> None:
    """Print the choices with their scores, and the greedy one as an expression."""
    found = candidates.gather(options.like, options.only, people=GROUPS)
    choices = compare(found, options.rounds)
    true, people = found.rows["label"].to_numpy(), found.rows["person"].to_numpy().astype(str)
    table: list[tuple[str, ...]] = [("", "runs", "honest macro F1 [95 %]", "optimistic macro F1 [95 %]")]
    for choice in choices:
        spans = (score.summary(true, said, people)["macro_f1"] for said in (choice.honest, choice.optimistic))
        table.append((choice.name, str(len(set(choice.chosen))), *map(score.with_interval, spans)))
    print(f"{len(found.names)} runs, {len(true)} held-out images of {len(set(people))} people")
    if found.left_out:
        print(f"left out: {', '.join(found.left_out)}")
    listing.print_table(table)
    print(verdict(choices[0], choices[1:], found.rows))
    best = expression([found.names[position] for position in choices[0].chosen])
    print(f"\n{best}\n\nin an ensemble:  submit(__file__, {best})")
    print(f"at once:         python -m ensembles.voting {shlex.quote(best)} --name tonight")


def main(argv: list[str]) -> None:
    propose(recipe.parse(Options, argv))


if __name__ == "__main__":
    main(sys.argv[1:])
