"""All five versions under the same folds, seed, size, epochs and flags: a table of out-of-fold and hidden test scores.

    python tests/benchmarks/five.py DATA NAME --backbone lite0 --scale 0.4 --folds 2 --epochs 3 …

Trains what is not finished under NAME with these flags, then prints a row for each, and their paired
differences; DATA must hold answers.csv.
Only the network and its training plan differ, not the augmentations and the boundary that each version had.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from core import labels, places, score
from core.reports import listing
from core.runs import reader
from ensembles.voting import run
from ensembles.voting.nodes import Node

PROJECT = Path(__file__).resolve().parents[2]


def shown(interval: list[float]) -> str:
    return f"{interval[0]:.3f} [{interval[1]:.3f}, {interval[2]:.3f}]"


def row(kernel: str, name: str, answers: pd.DataFrame) -> str:
    """Markdown: out-of-fold and test macro F1, test accuracy, out-of-fold accuracy of each task, training minutes."""
    found = reader.load(f"{kernel}/{name}")
    truth = answers.set_index("ImageID").loc[found.test_ids]
    test = score.summary(truth["ans"].to_numpy(), found.test.argmax(1), truth["person"].to_numpy())
    seen = found.manifest["scores"]
    parts = " | ".join(f"{seen[task]:.3f}" for task in labels.TASKS)
    minutes = sum(fold["training_seconds"] for fold in found.manifest["folds"]) / 60
    return f"| {kernel} | {shown(seen['macro_f1'])} | {shown(test['macro_f1'])} | {test['accuracy'][0]:.3f} | {parts} | {minutes:.1f} |"


def said(vote: Node, part: str) -> np.ndarray:
    probs = vote.probs(part)
    return np.where(np.isnan(probs[:, 0]), -1, probs.argmax(1))


def against(title: str, one: Node, other: Node, truth: pd.DataFrame) -> str:
    """Markdown: the paired difference in macro F1 out of fold and on test, and what it says."""
    rows = next(one.leaves()).loaded.rows
    parts = {"oof": (rows["label"], rows["person"]), "test": (truth["ans"], truth["person"])}
    cells = []
    for part, (true, people) in parts.items():
        found = score.paired(true.to_numpy(), said(one, part), said(other, part), people.to_numpy())
        interval = f"{found['difference']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
        cells.append(f"{interval}, {listing.verdict(found['better'])}")
    return f"| {title} | {' | '.join(cells)} |"


def main(data: str, name: str, flags: list[str]) -> None:
    kernels = sorted(path.parent.name for path in PROJECT.glob("kernels/*/run.py"))
    for kernel in kernels:
        if not (places.runs() / kernel / name / "run.json").is_file():
            words = [sys.executable, f"kernels/{kernel}/run.py", "--data", data, "--name", name, *flags]
            subprocess.run(words, cwd=PROJECT, check=True)
    answers = pd.read_csv(Path(data) / "answers.csv", dtype={"person": str})
    print("| version | out-of-fold macro F1 | test macro F1 | test accuracy | mask | gender | age | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for kernel in kernels:
        print(row(kernel, name, answers))
    votes = {kernel: run(f"{kernel}/{name}") for kernel in kernels}
    first = votes.pop(kernels[0])
    truth = answers.set_index("ImageID").loc[first.loaded.test_ids]
    print("\n| paired difference in macro F1 | out of fold | test |\n|---|---|---|")
    for kernel, vote in votes.items():
        print(against(f"{kernel} - {kernels[0]}", vote, first, truth))
    print(against("v5_multitask - v4_separate", votes["v5_multitask"], votes["v4_separate"], truth))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
