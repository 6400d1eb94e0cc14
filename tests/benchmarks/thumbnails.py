"""How far crude statistics get: logistic regression on 16 x 16 thumbnails, scored like a submission.

    python tests/benchmarks/thumbnails.py data/demo

What the demo's network reaches beyond this, it has seen in the faces.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core import recipe, score
from core.data import competition
from core.images import decode
from core.images.decode import Framing


def thumbnails(root: Path, files: np.ndarray) -> np.ndarray:
    """(n, 768) the 360 x 200 centre crops, as the network gets them, at 16 x 16."""
    crops = (decode.prepare(root / file, Framing((360, 200))) for file in files)
    return np.stack([cv2.resize(crop, (16, 16), interpolation=cv2.INTER_AREA).ravel() / 255 for crop in crops])


def main(root: Path) -> None:
    table = competition.load(root)
    answers = (
        pd.read_csv(root / "answers.csv", dtype={"person": str}).set_index("ImageID").loc[table.test.column("ImageID")]
    )
    train, test = (thumbnails(root, rows.column("file")) for rows in (table.train, table.test))
    for strength in (0.001, 0.01, 0.1, 1.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000, class_weight="balanced"))
        said = model.fit(train, table.train.column("label")).predict(test)
        print(
            f"C {strength:<6} {score.line(score.summary(answers['ans'].to_numpy(), said, answers['person'].to_numpy()))}"
        )


if __name__ == "__main__":
    (folder,), _ = recipe.parse_words(recipe.NoFlags, [1], "a competition folder: DATA", sys.argv[1:])
    main(Path(folder))
