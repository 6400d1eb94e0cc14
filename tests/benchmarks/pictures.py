"""Draws the pictures of README and docs anew, from the runs of `make demo` and four more like them.

    RUNS=runs/demo python tests/benchmarks/pictures.py            (make pictures)

Needs Chromium for the picture of the comparison page; without it that one stays, and a line says so. Drawn people only.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from core import disk, labels, recipe
from core.images import decode
from core.images.decode import Framing
from core.refusal import Refusal
from core.reports import plots
from ensembles.demo import demo

PROJECT = Path(__file__).resolve().parents[2]
DATA, RUNS, DOCS = PROJECT / "data/demo", PROJECT / "runs/demo", PROJECT / "docs"
KERNELS = [path.parent.name for path in sorted(PROJECT.glob("kernels/*/run.py"))]
#: A larger picture makes the page slow to open.
LARGEST = 300_000
RIGHT, WRONG = "#1b6b3a", "#b3261e"


def of_runs() -> None:
    """What a run's report draws: each kernel's confusions; and of v6 the rest."""
    for kernel in KERNELS:
        shutil.copyfile(RUNS / kernel / "demo/report/confusion_parts.png", DOCS / f"{kernel}.png")
    report = RUNS / "v6_years/demo/report"
    for name in ("confusion_18", "accuracy_by_age"):
        shutil.copyfile(report / f"{name}.png", DOCS / f"{name}.png")
    smaller(cv2.imread(str(report / "worst_mistakes.png")), DOCS / "worst_mistakes.jpg")


def of_augmentations() -> None:
    picture = DOCS / "augmentations.jpg"
    subprocess.run([sys.executable, "-m", "core.reports.augmentations", DATA, picture], cwd=PROJECT, check=True)
    smaller(cv2.imread(str(picture)), picture)


def of_vote() -> None:
    """A test photograph of each class, drawn by chance, with what the demo's vote says of it."""
    ids = next(demo.leaves()).loaded.test_ids
    answers = disk.read_csv(DATA / "answers.csv", ("ImageID", "ans")).set_index("ImageID")["ans"]
    probs = demo.probs("test")
    test = pd.DataFrame({"file": ids, "true": answers[ids].astype(int).to_numpy(), "predicted": probs.argmax(1)})
    test["probability"] = probs.max(1)
    figure = Figure((11, 7), layout="constrained")
    figure.suptitle("predicted class and its probability; true class", fontsize=12)
    grid = figure.subplots(3, 6, subplot_kw=plots.BARE).ravel()
    for axes, row in zip(grid, test.groupby("true").sample(1, random_state=0).to_dict("records"), strict=True):
        predicted, true = (labels.CLASSES[row[column]] for column in ("predicted", "true"))
        axes.imshow(decode.prepare(DATA / "eval/images" / row["file"], Framing((300, 300))))
        title = f"{predicted}  {row['probability']:.0%}\ntrue: {true}"
        axes.set_title(title, fontsize=9.5, color=RIGHT if predicted == true else WRONG)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    smaller(cv2.cvtColor(np.asarray(canvas.buffer_rgba()), cv2.COLOR_RGBA2BGR), DOCS / "vote.jpg")


def of_page() -> None:
    """The top of the comparison page, in a browser of 1280 pixels."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("docs/compare.png stays as it was: there is no chromium")
        return
    page = PROJECT / "submissions/index.html"
    words = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1280,900"]
    subprocess.run(
        [browser, *words, f"--screenshot={DOCS / 'compare.png'}", page.as_uri()], check=True, capture_output=True
    )


def smaller(image: np.ndarray, path: Path) -> None:
    """Write it as a JPEG of at most LARGEST bytes, at the best quality that fits."""
    for quality in range(90, 30, -5):
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= LARGEST:
            path.write_bytes(data)
            return


def main() -> None:
    for kernel in KERNELS:
        if not (RUNS / kernel / "demo/run.json").is_file():
            raise Refusal(f"{RUNS / kernel}: the run demo is not there; make pictures trains it")
    of_runs()
    of_vote()
    of_augmentations()
    of_page()
    for path in sorted([*DOCS.glob("*.png"), *DOCS.glob("*.jpg")]):
        print(f"{path.relative_to(PROJECT)}  {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    recipe.parse(recipe.NoFlags)
    main()
