"""submissions/index.html: the comparison as one self-contained page that opens from disk, on a phone too.

It makes no network request (its content security policy forbids it), holds at most 200 thumbnails and stays below
20 MB: Plotly's script takes 5 MB, a thumbnail of noise 50 kB, one of a face 7 kB.
"""

import base64
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from core import disk, labels, places, score
from core.images import decode
from core.refusal import Refusal
from ensembles.voting import submission
from ensembles.voting.nodes import TreeNode
from submissions.compare import disagreements, figures, leaderboard
from submissions.compare.comparison import Comparison
from submissions.compare.disagreements import Image
from submissions.compare.leaderboard import Entries

THUMBNAILS = 200
#: (height, width) that a thumbnail fits into, and its JPEG quality.
THUMBNAIL, QUALITY = (256, 192), 80
TEMPLATE = Path(__file__).resolve().parent / "template"
#: An image as the page's script reads it; `predicted` has a class for each submission, `src` is a data URI or None.
Card = dict[str, Any]
#: What the template shows of one data set.
Section = dict[str, Any]


def write(comparisons: list[Comparison], entries: Entries, root: Path) -> str:
    """Write the page; `root` is the data folder, which need not exist. Returns what to print about the page."""
    most = THUMBNAILS // len(comparisons)
    sections = [_section(number, each, entries, root, most) for number, each in enumerate(comparisons, 1)]
    sources = {file.name: Markup(file.read_text(encoding="utf-8")) for file in TEMPLATE.iterdir()}
    environment = Environment(loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined)
    environment.globals.update(with_interval=score.with_interval)
    scripts = {"plotly": Markup(get_plotlyjs()), "style": sources["style.css"], "script": sources["script.js"]}
    texts = {"classes": labels.CLASSES, "tasks": list(labels.TASKS), "written": time.strftime("%Y-%m-%d %H:%M")}
    text = environment.get_template("page.html").render(sections=sections, **texts, **scripts)
    path = places.submissions() / "index.html"
    disk.write_text(path, text)
    thumbnails = sum(section["thumbnails"] for section in sections)
    note = f"; {_no_thumbnails(root)}" if not thumbnails and any(section["images"] for section in sections) else ""
    return f"wrote {path} ({len(text.encode()) / 1e6:.1f} MB, {thumbnails} thumbnails{note})"


def _no_thumbnails(root: Path) -> str:
    if root.is_dir():
        return f"{root} does not have the images of these submissions"
    return "no data folder: give --data DIR or set MASK18_DATA"


def _section(number: int, comparison: Comparison, entries: Entries, root: Path, most: int) -> Section:
    names, indices = comparison.names, range(len(comparison.submissions))
    cards = [_card(comparison, image, root) for image in disagreements.choose(comparison, most)]
    thumbnails = sum(card["src"] is not None for card in cards)
    plots = {
        "agreement": figures.agreement(comparison) if len(names) > 1 else None,
        "class-f1": figures.class_f1(comparison) if any(map(comparison.scores, indices)) else None,
        "leaderboard": figures.against_leaderboard(comparison, entries),
    }
    pairs = combinations(indices, 2)
    return {
        "number": number,
        "comparison": comparison,
        "entries": entries,
        "scale": _scale(comparison),
        "images": cards,
        "thumbnails": thumbnails,
        "no_thumbnails": None if thumbnails or not cards else _no_thumbnails(root),
        "first_other": disagreements.first_other(comparison),
        "columns": leaderboard.known_columns(entries, names),
        "to_beat": leaderboard.to_beat(entries, submission.names()),
        "notes": any(entries[name]["note"] for name in names if name in entries),
        "pairs": comparison.shown_pairs(),
        "figures": plots,
        "disagreements": {f"{i}-{j}": disagreements.summary(comparison, (i, j)) for i, j in pairs},
    }


def _scale(comparison: Comparison) -> tuple[float, float]:
    """The ends of every small bar: the lowest and the highest macro F1 in any node's interval."""
    ends = [end for each in comparison.submissions for end in _interval_ends(each.manifest["tree"])]
    return (min(ends), max(ends)) if ends and max(ends) > min(ends) else (0.0, 1.0)


def _interval_ends(tree: TreeNode) -> list[float]:
    own = tree["oof"]["macro_f1"] if tree["oof"] else []
    return [*own, *(end for member in tree["members"] for end in _interval_ends(member))]


def _card(comparison: Comparison, image: Image, root: Path) -> Card:
    true_class = file = None
    if image.part == "test":
        file = f"eval/images/{comparison.submissions[0].ids[image.row]}"
    elif comparison.rows is not None:
        file, true_class = comparison.rows["file"].iloc[image.row], int(comparison.rows["label"].iloc[image.row])
    name = file.removeprefix("eval/images/").removeprefix("train/images/") if file else f"row {image.row}"
    predicted = [disagreements.predicted(each, image) for each in comparison.submissions]
    src = thumbnail(root / file) if file else None
    return {"part": image.part, "name": name, "predicted": predicted, "true_class": true_class, "src": src}


def thumbnail(file: Path) -> str | None:
    """The image as a small data URI; None if it does not exist or cannot be decoded."""
    try:
        image = decode.decode(file)
    except Refusal:
        return None
    height, width = image.shape[:2]
    scale = min(THUMBNAIL[0] / height, THUMBNAIL[1] / width, 1)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image[..., ::-1], size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
