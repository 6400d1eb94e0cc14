"""Finished runs that nobody trained, as `runs.load` accepts them: labels and probabilities as a test wants them."""

import numpy as np
import pandas as pd

from core import disk, labels, places


def rows(people: int, seed: int = 0) -> pd.DataFrame:
    """Seven images of each person: five masks worn, one worn wrong, one none; ages from 18 to 66."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [
            (f"train/images/p{person}/{stem}.jpg", f"p{person}", gender, age, mask)
            for person, (gender, age) in enumerate(
                zip(rng.integers(0, 2, people), rng.integers(18, 67, people), strict=True)
            )
            for stem, mask in sorted(labels.STEMS.items())
        ],
        columns=["file", "person", "gender", "age", "mask"],
    )
    return frame.assign(label=labels.label(frame["mask"], frame["gender"], labels.age_group(frame["age"])))


def says(classes: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """(n, 18) float32: `sure` for these classes, the rest shared out unevenly, so that no two sums tie."""
    rest = np.random.default_rng(len(classes)).dirichlet(np.full(18, 50.0), len(classes))
    rest[np.arange(len(classes)), classes] = 0
    probs = (1 - sure) * rest / rest.sum(1, keepdims=True)
    probs[np.arange(len(classes)), classes] = sure
    return probs.astype(np.float32)


def finish(name: str, frame: pd.DataFrame, oof: np.ndarray, data_set: str = "one", **about) -> None:
    """Write the run KERNEL/NAME; runs are of one data set if `data_set` is the same."""
    folder = places.runs() / name
    disk.write_array(folder / "oof.npy", oof.astype(np.float32))
    disk.write_array(folder / "test.npy", says(np.arange(5)))
    frame.assign(fold=np.where(np.isnan(oof[:, 0]), -1, 0))[["file", "person", "age", "label", "fold"]].to_csv(
        folder / "rows.csv", index=False
    )
    pd.DataFrame({"ImageID": [f"t{k}.jpg" for k in range(5)]}).to_csv(folder / "test.csv", index=False)
    told = {
        "sha256": {file: disk.digest(folder / file) for file in ("oof.npy", "test.npy", "rows.csv", "test.csv")},
        "recipe": {"crop": [360, 200], "age_young": 30, "age_old": 60},
        "classes": labels.CLASSES,
        "commit": None,
        "scores": None,
        "notes": [],
        "rows": data_set,
        "labels": data_set,
    }
    disk.write_json(folder / "run.json", {**told, **about})
