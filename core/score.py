"""Macro F1 and accuracy, whole and per attribute, with bootstrap intervals over people.

    python -m core.score submissions/demo.csv data/answers.csv

Macro F1 is the plain mean of the 18 per-class F1; a class that neither occurs nor is predicted counts 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from core import disk, labels, recipe
from core.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

DRAWS, AT_ONCE = 2000, 500
#: (true, predicted, people) -> (DRAWS,) macro F1 of each draw; see `f1_draws`.
Draws = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
#: Fewer people than this say too little, unless they are all there are.
ENOUGH_PEOPLE = 100


class Summary(TypedDict):
    """Scores of predictions. macro_f1 and accuracy are [value, low, high], or [value] where the people are not known;
    mask, gender and age are accuracies; class_f1 has the 18 F1."""

    images: int
    people: int | None
    macro_f1: list[float]
    accuracy: list[float]
    mask: float
    gender: float
    age: float
    class_f1: list[float]


class Difference(TypedDict):
    """In macro F1, with its 95 % interval and `better`, the share of draws above 0, ties counted half."""

    difference: float
    low: float
    high: float
    better: float
    people: int


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int = 18) -> np.ndarray:
    """(classes, classes) counts, true by predicted."""
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def f1(counts: np.ndarray) -> np.ndarray:
    """(..., c) per-class F1 of (..., c, c) confusion counts; 0 where a class neither occurs nor is predicted."""
    return 2 * np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum(-1) + counts.sum(-2), 1e-12)


def macro_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1(confusion(true, predicted)).mean())


def accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    return float((true == predicted).mean())


def by_person(true: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(people, 18, 18) confusion counts."""
    names, person = np.unique(people, return_inverse=True)
    return np.bincount((person * 18 + true) * 18 + predicted, minlength=len(names) * 324).reshape(-1, 18, 18)


def bootstrap(per_person: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """(draws, 18, 18): confusion counts of as many people, drawn with replacement.

    A few draws at a time: all at once are draws x people numbers, gigabytes for a hundred thousand people.
    """
    number, rng = len(per_person), np.random.default_rng(seed)
    counts, probability = per_person.reshape(number, 324).astype(np.float64), np.full(number, 1 / number)
    parts = [min(AT_ONCE, draws - start) for start in range(0, draws, AT_ONCE)]
    drawn = [rng.multinomial(number, probability, part).astype(np.float64) @ counts for part in parts]
    return np.concatenate(drawn).reshape(draws, 18, 18)


def summary(true: np.ndarray, predicted: np.ndarray, people: np.ndarray | None) -> Summary:
    """Scores of predicted classes (n,); intervals by bootstrap over `people`, none where these are not known."""
    counts = confusion(true, predicted)
    macro, share = [float(f1(counts).mean())], [accuracy(true, predicted)]
    if people is not None:
        drawn = bootstrap(by_person(true, predicted, people))
        macro += quantiles(f1(drawn).mean(-1))
        share += quantiles(np.trace(drawn, axis1=1, axis2=2) / np.maximum(drawn.sum((1, 2)), 1))
    mask, gender, age = map(accuracy, labels.split(true), labels.split(predicted))
    return {
        "images": len(true),
        "people": len(np.unique(people)) if people is not None else None,
        "macro_f1": macro,
        "accuracy": share,
        "mask": mask,
        "gender": gender,
        "age": age,
        "class_f1": f1(counts).tolist(),
    }


def quantiles(draws: np.ndarray) -> list[float]:
    """[low, high] of the 95 % interval."""
    return np.quantile(draws, (0.025, 0.975)).tolist()


def f1_draws(true: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(DRAWS,) macro F1 over as many people drawn with replacement: the same people in a draw for any `predicted`."""
    return f1(bootstrap(by_person(true, predicted, people))).mean(-1)


def paired(
    true: np.ndarray, one: np.ndarray, other: np.ndarray, people: np.ndarray, draws: Draws = f1_draws
) -> Difference:
    """How much better `one` is than `other`, over the rows that both answer (classes; -1 where there is no answer).

    Paired, for what makes a draw of people hard makes it hard for both; `draws` may remember what `f1_draws` gave.
    """
    both = (one >= 0) & (other >= 0)
    true, one, other, people = true[both], one[both], other[both], people[both]
    drawn = draws(true, one, people) - draws(true, other, people)
    low, high = quantiles(drawn)
    return {
        "difference": macro_f1(true, one) - macro_f1(true, other),
        "low": low,
        "high": high,
        "better": float((drawn > 0).mean() + (drawn == 0).mean() / 2),
        "people": len(np.unique(people)),
    }


def out_of_fold_summary(rows: pd.DataFrame, probs: np.ndarray) -> Summary | None:
    """Over the rows that out-of-fold `probs` (n, 18) cover; None if these show fewer than 100 people, unless all."""
    covered = ~np.isnan(probs[:, 0])
    people = rows["person"].to_numpy().astype(str)
    if not covered.any() or (len(np.unique(people[covered])) < ENOUGH_PEOPLE and not covered.all()):
        return None
    return summary(rows["label"].to_numpy()[covered], probs[covered].argmax(1), people[covered])


def interval(low: float, high: float, sign: str = "") -> str:
    return f"[{low:{sign}.4f}, {high:{sign}.4f}]"


def with_interval(value: list[float], sign: str = "") -> str:
    """0.7000 [0.6000, 0.8000], or the value alone where no interval is known; `sign` "+" for a difference."""
    return f"{value[0]:{sign}.4f}" + (f" {interval(value[1], value[2], sign)}" if len(value) > 1 else "")


def line(scores: Summary | None) -> str:
    """One line for people to read."""
    if scores is None:
        return f"no score: fewer than {ENOUGH_PEOPLE} people were held out"
    parts = f"mask {scores['mask']:.3f}  gender {scores['gender']:.3f}  age {scores['age']:.3f}"
    over = f"{scores['images']} images" + (f" of {scores['people']} people" if scores["people"] else "")
    macro, share = with_interval(scores["macro_f1"]), with_interval(scores["accuracy"])
    return f"macro F1 {macro}  accuracy {share}  {parts}  ({over})"


def score_submission(submission: Path, answers: Path) -> Summary:
    """The summary of a submission against the true answers; its interval needs a column person in these.
    Refuses: a file without ImageID and ans, a class that is none, an image named twice, other images."""
    predicted, truth = (disk.read_csv(path, ("ImageID", "ans")) for path in (submission, answers))
    for path, frame in ((submission, predicted), (answers, truth)):
        wrong = frame[~frame["ans"].isin([str(label) for label in range(18)])]
        for ans, image in zip(wrong["ans"], wrong["ImageID"], strict=True):
            raise Refusal(f"{path}: ans {ans!r} of {image} is not a class from 0 to 17")
        for image in frame["ImageID"][frame["ImageID"].duplicated()]:
            raise Refusal(f"{path}: ImageID {image} stands twice")
    if set(predicted["ImageID"]) != set(truth["ImageID"]):
        raise Refusal(f"{submission}: does not answer the same images as {answers}")
    answered = predicted.set_index("ImageID")["ans"].loc[truth["ImageID"]]
    people = truth["person"].to_numpy().astype(str) if "person" in truth else None
    return summary(truth["ans"].to_numpy().astype(int), answered.to_numpy().astype(int), people)


def main(argv: list[str]) -> None:
    (submission, answers), _ = recipe.parse_words(recipe.NoFlags, [2], "two files: SUBMISSION.csv ANSWERS.csv", argv)
    print(line(score_submission(Path(submission), Path(answers))))


if __name__ == "__main__":
    main(sys.argv[1:])
