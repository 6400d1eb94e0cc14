"""Finished runs with random probabilities, as `reader.load` accepts them, made without training."""

from pathlib import Path

import numpy as np
import pandas as pd

from core import disk, labels, places

FILES = ("oof.npy", "test.npy", "rows.csv", "test.csv")


def random_run(name: str, seed: int, rows: int = 21, label_seed: int = 0, hole: bool = False) -> None:
    """Write the run KERNEL/NAME with seven images of each person; with a `hole`, the first person is in no fold."""
    rng = np.random.default_rng(seed)
    folder = places.runs() / name
    oof, test = rng.dirichlet(np.ones(18), (2, rows)).astype(np.float32)
    if hole:
        oof[:7] = np.nan
    disk.write_array(folder / "oof.npy", oof)
    disk.write_array(folder / "test.npy", test)
    frame = pd.DataFrame(
        {
            "file": [f"f{k}" for k in range(rows)],
            "person": [f"p{k // 7}" for k in range(rows)],
            "age": 20,
            "label": np.random.default_rng(label_seed).integers(0, 18, rows),
            "fold": 0,
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({"ImageID": [f"t{k}.jpg" for k in range(rows)]}).to_csv(folder / "test.csv", index=False)
    write_manifest(folder, rows=f"{rows}", labels=f"{label_seed}")


def write_manifest(folder: Path, **fields: object) -> None:
    """run.json with the digests of the folder's files; `fields` are added."""
    manifest = {
        "sha256": {file: disk.digest(folder / file) for file in FILES},
        "classes": labels.CLASSES,
        "commit": None,
        "scores": None,
    }
    disk.write_json(folder / "run.json", {**manifest, **fields})
