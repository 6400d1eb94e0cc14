"""Finished runs made without training, as `reader.load` accepts them; a test chooses the labels and probabilities."""

import numpy as np
import pandas as pd

from core import disk, labels, places


def rows(people: int, seed: int = 0) -> pd.DataFrame:
    """Seven images of each person: mask worn in five, worn wrong in one, none in one; ages from 18 to 66.

    Columns: file, person, gender, age, mask and label.
    """
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


def predictions(classes: np.ndarray, probability: float = 0.9) -> np.ndarray:
    """(n, 18) float32: `probability` for these classes (n,), the rest unequal, so that no two sums are the same."""
    rest = np.random.default_rng(len(classes)).dirichlet(np.full(18, 50.0), len(classes))
    rest[np.arange(len(classes)), classes] = 0
    probs = (1 - probability) * rest / rest.sum(1, keepdims=True)
    probs[np.arange(len(classes)), classes] = probability
    return probs.astype(np.float32)


def finish(name: str, frame: pd.DataFrame, oof: np.ndarray, data_set: str = "one", **manifest: object) -> None:
    """Write the run `name` (KERNEL/NAME) with these rows, and (n, 18) out-of-fold probabilities, NaN for no fold.

    Runs with the same `data_set` can be compared. `manifest` replaces fields of run.json.
    """
    folder = places.runs() / name
    disk.write_array(folder / "oof.npy", oof.astype(np.float32))
    disk.write_array(folder / "test.npy", predictions(np.arange(5)))
    frame.assign(fold=np.where(np.isnan(oof[:, 0]), -1, 0))[["file", "person", "age", "label", "fold"]].to_csv(
        folder / "rows.csv", index=False
    )
    pd.DataFrame({"ImageID": [f"t{k}.jpg" for k in range(5)]}).to_csv(folder / "test.csv", index=False)
    defaults = {
        "sha256": {file: disk.digest(folder / file) for file in ("oof.npy", "test.npy", "rows.csv", "test.csv")},
        "recipe": {"crop": [360, 200], "age_young": 30, "age_old": 60},
        "classes": labels.CLASSES,
        "commit": None,
        "scores": None,
        "notes": [],
        "rows": data_set,
        "labels": data_set,
    }
    disk.write_json(folder / "run.json", {**defaults, **manifest})
