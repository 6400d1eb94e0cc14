"""How long a vote takes: 100 runs of the real data set's size, soft, hard and per attribute, once they are loaded.

    python tests/benchmarks/vote.py [RUNS]

And what `make ensemble` costs beside an empty script that imports pandas and scikit-learn's metrics.
"""

import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from core import recipe
from ensembles.voting import hard, soft
from ensembles.voting.nodes import Node

TRAIN, TEST = 18_900, 12_600


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded(Node):
    """A run whose arrays are in memory, float32 as on disk."""

    oof: np.ndarray
    test: np.ndarray

    def probs(self, part: str) -> np.ndarray:
        found = getattr(self, part).astype(np.float64)
        return found / found.sum(1, keepdims=True)


def member(seed: int) -> Loaded:
    rng = np.random.default_rng(seed)
    oof, test = (rng.random((rows, 18), np.float32) + 0.01 for rows in (TRAIN, TEST))
    return Loaded(oof=oof / oof.sum(1, keepdims=True), test=test / test.sum(1, keepdims=True))


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main(runs: int) -> None:
    members = [member(seed) for seed in range(runs)]
    print(f"{runs} runs of ({TRAIN} + {TEST}) x 18, best of three")
    for per in ("class", "attribute"):
        for vote in (soft, hard):
            tree = vote(*members, per=per)
            took = min(seconds(lambda tree=tree: [tree.probs(part) for part in ("oof", "test")]) for _ in range(3))
            print(f"{tree.label:<20} {took:.2f} s")
    plain, ours = (
        min(seconds(lambda words=words: subprocess.run([sys.executable, *words], check=True)) for _ in range(5))
        for words in (
            ["-c", "import pandas, sklearn.metrics"],
            ["-c", "import ensembles.voting, ensembles.voting.submission, pandas"],
        )
    )
    print(
        f"import pandas, sklearn.metrics {plain:.2f} s; what an ensemble imports {ours:.2f} s: {ours / plain:.2f} times"
    )


if __name__ == "__main__":
    words, _ = recipe.parse_words(recipe.NoFlags, range(2), "at most one number: RUNS", sys.argv[1:])
    main(*map(int, words or [100]))
