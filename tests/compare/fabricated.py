"""Finished runs with chosen classes, and a data folder of noise, for comparisons of submissions."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from core import disk, places
from ensembles.voting import run
from ensembles.voting.nodes import Node
from tests.voting.random_runs import write_manifest

COMPARE = ("-m", "submissions.compare")
PEOPLE = 20
ROWS = PEOPLE * 7


def true_classes(rows: int = ROWS) -> np.ndarray:
    return np.arange(rows) % 18


def predictions(accuracy: float, seed: int, rows: int = ROWS) -> np.ndarray:
    """(rows,) classes: the true class with this probability, else a random one."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < accuracy, true_classes(rows), rng.integers(0, 18, rows))


def fabricate(name: str, oof: np.ndarray, test: np.ndarray, data_set: str = "0") -> Node:
    """Write the run KERNEL/NAME that predicts these classes with a probability of 0.83 (oof -1: NaN)."""
    folder = places.runs() / name
    probs = np.eye(18, dtype=np.float32) * 0.82 + np.float32(0.01)
    disk.write_array(folder / "oof.npy", np.where(oof[:, None] < 0, np.float32(np.nan), probs[oof]))
    disk.write_array(folder / "test.npy", probs[test])
    rows = range(len(oof))
    frame = pd.DataFrame(
        {
            "file": [f"train/images/p{k // 7}/{k % 7}.jpg" for k in rows],
            "person": [f"p{k // 7}" for k in rows],
            "age": 20,
            "label": true_classes(len(oof)),
            "fold": 0,
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({"ImageID": [f"t{k}.jpg" for k in range(len(test))]}).to_csv(folder / "test.csv", index=False)
    write_manifest(folder, rows=f"rows{data_set}", labels=f"labels{data_set}")
    return run(name)


def noise_photographs(root: Path) -> Path:
    """A data folder whose images are noise, the largest as JPEG files."""
    noise = np.random.default_rng(0).integers(0, 256, (512, 384, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    names = [f"train/images/p{k // 7}/{k % 7}.jpg" for k in range(ROWS)]
    for name in [*names, *(f"eval/images/t{k}.jpg" for k in range(ROWS))]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(jpeg)
    return root
