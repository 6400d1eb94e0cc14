"""Macro F1 and accuracy, whole and per attribute, with intervals by resampling people.

    python -m core.score submissions/demo.csv data/answers.csv

Macro F1 is the plain mean of the 18 per-class F1; a class that neither occurs nor is predicted
counts 0. Free of torch.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import disk, labels
from core.refusal import Refusal

DRAWS, AT_ONCE = 2000, 500
Draws = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
#: Fewer people than this say too little, unless they are all there are.
ENOUGH_PEOPLE = 100


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int = 18) -> np.ndarray:
    """(classes, classes) counts, true by predicted."""
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def f1(counts: np.ndarray) -> np.ndarray:
    """(..., c) per-class F1 of (..., c, c) confusion counts; 0 where a class neither occurs nor is predicted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    total = counts.sum(-1) + counts.sum(-2)
    return 2 * hits / np.maximum(total, 1e-12)


def macro_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1(confusion(true, predicted)).mean())


def accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    return float((true == predicted).mean())


def by_person(true: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(people, 18, 18): the confusion counts of each person's images."""
    names, who = np.unique(people, return_inverse=True)
    flat = (who * 18 + true) * 18 + predicted
    return np.bincount(flat, minlength=len(names) * 324).reshape(len(names), 18, 18)


def resampled(per_person: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """(draws, 18, 18): confusion counts of as many people, drawn with replacement.

    A few draws at a time: all at once are draws x people numbers, gigabytes for a hundred thousand people.
    """
    number, rng = len(per_person), np.random.default_rng(seed)
    counts, chance = per_person.reshape(number, 324).astype(np.float64), np.full(number, 1 / number)
    parts = [min(AT_ONCE, draws - start) for start in range(0, draws, AT_ONCE)]
    drawn = [rng.multinomial(number, chance, part).astype(np.float64) @ counts for part in parts]
    return np.concatenate(drawn).reshape(draws, 18, 18)


def summary(true: np.ndarray, predicted: np.ndarray, people: np.ndarray | None) -> dict[str, Any]:
    """What is said of predictions: macro_f1 and accuracy as [value, low, high] (95 %, by resampling people;
    only [value] if it is not known who the people are), accuracy of each attribute, F1 of each class."""
    counts = confusion(true, predicted)
    drawn = resampled(by_person(true, predicted, people)) if people is not None else np.empty((0, 18, 18))
    spread = {
        "macro_f1": f1(drawn).mean(-1),
        "accuracy": np.trace(drawn, axis1=1, axis2=2) / np.maximum(drawn.sum((1, 2)), 1),
    }
    point = {"macro_f1": float(f1(counts).mean()), "accuracy": accuracy(true, predicted)}
    parts = zip(labels.TASKS, labels.split(true), labels.split(predicted), strict=True)
    return {
        "images": len(true),
        "people": len(np.unique(people)) if people is not None else None,
        **{
            name: [value, *np.quantile(spread[name], (0.025, 0.975)).tolist()] if len(drawn) else [value]
            for name, value in point.items()
        },
        **{task: accuracy(mine, theirs) for task, mine, theirs in parts},
        "class_f1": f1(counts).tolist(),
    }


def f1_draws(true: np.ndarray, said: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(DRAWS,) macro F1 over as many people drawn with replacement: the same people in the same draw for any `said`."""
    return f1(resampled(by_person(true, said, people))).mean(-1)


def paired(
    true: np.ndarray, one: np.ndarray, other: np.ndarray, people: np.ndarray, draws: Draws = f1_draws
) -> dict[str, float]:
    """How much better `one` is than `other`, over the rows that both answer (classes; -1 where there is no answer).

    difference in macro F1 with its 95 % interval low to high, and `better`: the share of draws of people in which
    `one` is ahead, ties counted half. Paired, for what makes a draw hard makes it hard for both.

    `draws`: `f1_draws`, or what remembers its answers.
    """
    both = (one >= 0) & (other >= 0)
    true, one, other, people = true[both], one[both], other[both], people[both]
    return {
        "difference": macro_f1(true, one) - macro_f1(true, other),
        **ahead(draws(true, one, people) - draws(true, other, people)),
        "people": len(np.unique(people)),
    }


def ahead(draws: np.ndarray) -> dict[str, float]:
    """low, high and `better` of `paired`, from (DRAWS,) differences over the same people."""
    low, high = np.quantile(draws, (0.025, 0.975))
    return {
        "low": float(low),
        "high": float(high),
        "better": float((draws > 0).mean() + (draws == 0).mean() / 2),
    }


def verdict(better: float) -> str:
    """In words, for a share of draws: "better with 97 %", "worse with 99 %", or "can't tell" below 95 %.

    No number of draws makes it certain, so what would be rounded to 100 % is "over 99 %".
    """
    share = max(better, 1 - better)
    if share < 0.95:
        return "can't tell"
    sure = f"{share * 100:.0f} %" if share < 0.995 else "over 99 %"
    return f"{'better' if better > 0.5 else 'worse'} with {sure}"


def honest(rows: Any, probs: np.ndarray) -> dict[str, Any] | None:
    """The summary of out-of-fold `probs` (n, 18) for the rows they cover, or None where too few people are covered.

    `rows` is a frame with person and label. Held-out people number at least 100, or are all the people there are.
    """
    covered = ~np.isnan(probs[:, 0])
    people = rows["person"].to_numpy().astype(str)
    if not covered.any() or (len(np.unique(people[covered])) < ENOUGH_PEOPLE and not covered.all()):
        return None
    return summary(rows["label"].to_numpy()[covered], probs[covered].argmax(1), people[covered])


def interval(low: float, high: float, sign: str = "") -> str:
    """[0.6000, 0.8000], with `sign` "+" for a difference."""
    return f"[{low:{sign}.4f}, {high:{sign}.4f}]"


def with_interval(value: list[float], sign: str = "") -> str:
    """0.7000 [0.6000, 0.8000], or the value alone where no interval is known."""
    return f"{value[0]:{sign}.4f}" + (f" {interval(value[1], value[2], sign)}" if len(value) > 1 else "")


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns, the head first: numbers to the right, words to the left."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    sides = ["rjust" if all(re.fullmatch(r"[-+.\d]*", cell) for cell in column[1:]) else "ljust" for column in columns]
    for row in rows:
        cells = zip(row, sides, widths, strict=True)
        print("  ".join(getattr(cell, side)(width) for cell, side, width in cells).rstrip())


def line(scores: dict[str, Any] | None) -> str:
    """One line for people to read."""
    if scores is None:
        return f"no score: fewer than {ENOUGH_PEOPLE} people were held out"
    shown = {name: with_interval(scores[name]) for name in ("macro_f1", "accuracy")}
    parts = "  ".join(f"{task} {scores[task]:.3f}" for task in labels.TASKS)
    over = f"{scores['images']} images" + (f" of {scores['people']} people" if scores["people"] else "")
    return f"macro F1 {shown['macro_f1']}  accuracy {shown['accuracy']}  {parts}  ({over})"


def against(submission: Path, answers: Path) -> dict[str, Any]:
    """The summary of a submission against the true answers; people are resampled if these have a column person."""
    said, truth = (disk.read_csv(path, ("ImageID", "ans")) for path in (submission, answers))
    for path, frame in ((submission, said), (answers, truth)):
        wrong = frame[~frame["ans"].isin([str(label) for label in range(18)])]
        if len(wrong):
            raise Refusal(
                f"{path}: ans {wrong['ans'].iloc[0]!r} of {wrong['ImageID'].iloc[0]} is not a class from 0 to 17"
            )
        if frame["ImageID"].duplicated().any():
            raise Refusal(f"{path}: ImageID {frame['ImageID'][frame['ImageID'].duplicated()].iloc[0]} stands twice")
    if set(said["ImageID"]) != set(truth["ImageID"]):
        raise Refusal(f"{submission}: does not answer the same images as {answers}")
    answered = said.set_index("ImageID")["ans"].loc[truth["ImageID"]]
    people = truth["person"].to_numpy().astype(str) if "person" in truth else None
    return summary(truth["ans"].to_numpy().astype(int), answered.to_numpy().astype(int), people)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise Refusal("needs two files: python -m core.score SUBMISSION.csv ANSWERS.csv")
    print(line(against(Path(sys.argv[1]), Path(sys.argv[2]))))
