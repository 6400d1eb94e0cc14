"""Seconds that greedy selection takes, and the same selection with scikit-learn's f1_score side by side.

    python tests/benchmarks/greedy.py [RUNS [IMAGES [ROUNDS]]]

Fabricates runs that are right about as often as real ones and err together; by default 20 of 18,900
images, 25 rounds. Ends with exit code 1 if the two do not select the same.
"""

import sys
import time

import numpy as np
from sklearn.metrics import f1_score
from tqdm import tqdm

from core import recipe
from ensembles.voting import selection


def fabricate(number: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """(number, images, 18) probabilities with noise of their own over noise that they share, and (images,) labels."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 18, images)
    shared = rng.normal(size=(images, 18)) + 1.5 * np.eye(18)[true]
    scores = np.stack([2 * (shared + rng.normal(size=(images, 18)) * rng.uniform(0.5, 1.5)) for _ in range(number)])
    probs = np.exp(scores)
    return probs / probs.sum(2, keepdims=True), true


def plainly(probs: np.ndarray, true: np.ndarray, rounds: int) -> list[int]:
    """The same selection as it is usually written."""
    total, chosen, reached = np.zeros(probs.shape[1:]), [], []
    for _ in tqdm(range(rounds), "scikit-learn", unit="round", disable=None, leave=False):
        scores = [
            f1_score(true, (total + each).argmax(1), average="macro", labels=range(18), zero_division=0)
            for each in probs
        ]
        chosen.append(int(np.argmax(scores)))
        reached.append(max(scores))
        total += probs[chosen[-1]]
    return chosen[: int(np.argmax(reached)) + 1]


def main(number: int = 20, images: int = 18_900, rounds: int = 25) -> None:
    probs, true = fabricate(number, images)
    start = time.perf_counter()
    ours = selection.select(probs, true, rounds)
    between = time.perf_counter()
    theirs = plainly(probs, true, rounds)
    fast, slow = between - start, time.perf_counter() - between
    print(
        f"{number} runs of {images} x 18 in {rounds} rounds: ours {fast:.2f} s, scikit-learn's F1 {slow:.2f} s, {slow / fast:.1f} times"
    )
    print(f"{'the same' if ours == theirs else 'ANOTHER'} selection: {len(ours)} members, {len(set(ours))} runs")
    sys.exit(ours != theirs)


if __name__ == "__main__":
    words, _ = recipe.parse_words(recipe.NoFlags, range(3), "at most two numbers: RUNS ROUNDS", sys.argv[1:])
    main(*map(int, words))
