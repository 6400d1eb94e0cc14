"""A small study whose runs are made up instead of trained, in this process or in one that a test kills.

python -m tests.studies.fabricated_study DATA DOCS SECONDS
"""

import sys
import time
from pathlib import Path

import numpy as np

from core import disk, labels, places
from core.data import competition, folds
from core.launch import sweep
from tests import fabricated
from tests.studies import __main__ as command
from tests.studies.table import Arm, Claim, Side, Study

SMALL = Study(
    question="Does a higher rate help?",
    data="24 drawn people",
    make_data="python -m core.people --out DATA --people 24 --eval-people 6 --elderly 0.3",
    kernel="v5_multitask",
    base={"backbone": "test_efficientnet", "folds": "2", "epochs": "1"},
    arms=(Arm("base"), Arm("higher", {"lr": "1e-2"}), Arm("cosine", {"schedule": "cosine"})),
    claims=(
        Claim("1", "a higher rate is better", Side(("higher",)), Side(("base",))),
        Claim(
            "2",
            "a hard vote is better than a soft one",
            Side(("base", "higher"), "hard"),
            Side(("base", "higher"), "soft"),
        ),
        Claim("3", "all folds are better than the best", Side(("base",)), Side(("base",), "best_fold"), on="test"),
    ),
    seeds=(0, 1),
)
#: Share of images that each arm knows.
SKILL = {"base": 0.5, "higher": 0.9, "cosine": 0.6}


def finish(planned, data):
    """Leave a finished run of the study, with the predictions that its arm and seed draw."""
    table = competition.load(Path(data))
    _, arm, seed = planned.recipe.name.split("-")
    rng = np.random.default_rng([int(seed[4:]), *arm.encode()])
    train, ids = table.train.frame, table.test.frame["ImageID"]
    guessed = np.where(rng.random(len(train)) < SKILL[arm], train["label"], rng.integers(0, 18, len(train)))
    folder = places.runs() / planned.name
    tests = [fabricated.predictions(rng.integers(0, 18, len(ids))) for _ in range(2)]
    for number, test in enumerate(tests):
        disk.write_array(folder / f"folds/{number}/test.npy", test)
        disk.write_text(folder / f"folds/{number}/log.jsonl", '{"images_per_second": 50.0, "seconds": 2.0}\n')
    disk.write_array(folder / "oof.npy", fabricated.predictions(guessed))
    disk.write_array(folder / "test.npy", np.mean(tests, 0))
    fold = folds.assign(table.train, 2, 0.2)
    disk.write_text(
        folder / "rows.csv", train[["file", "person", "age", "label"]].assign(fold=fold).to_csv(index=False)
    )
    disk.write_text(folder / "test.csv", ids.to_frame().to_csv(index=False))
    disk.write_json(
        folder / "run.json",
        {
            "kernel": planned.file.parent.name,
            "recipe": command.studies.names.results(planned.recipe),
            "source": {},
            "training_seconds": 2.0,
            "machine": {"threads": 1},
            "versions": {},
            "classes": labels.CLASSES,
            "scores": None,
            "folds": [{"sha256": disk.digest(folder / f"folds/{number}/test.npy")} for number in range(2)],
            "sha256": {file: disk.digest(folder / file) for file in ("oof.npy", "test.npy", "rows.csv", "test.csv")},
            **{name: table.digests()[name] for name in ("rows", "labels")},
        },
    )


def trainer(data, seconds=0.0):
    """In the place of `sweep.train`."""

    def train(due, options, finished):
        for planned in due:
            time.sleep(seconds)
            finish(planned, data)
            print(planned.name, *finished(planned), flush=True)
        return []

    return train


if __name__ == "__main__":
    root, docs, wait = sys.argv[1:]
    sweep.train = trainer(root, float(wait))
    command.conduct("small", SMALL, command.Options(data=root), Path(docs))
