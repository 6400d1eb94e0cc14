"""submissions/index.html: a comparison as one self-contained page that opens from disk, on a phone too.

It asks nothing of any network (its own content policy forbids it), holds at most 200 thumbnails and stays below
20 MB: Plotly's script takes 5, a thumbnail of noise 50 kB, one of a face 7.
"""

from __future__ import annotations

import base64
import time
from itertools import combinations
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from core import disk, labels, places, score
from core.images import decode
from core.refusal import Refusal
from core.reports import listing
from submissions.compare import comparison, figures, leaderboard
from submissions.compare.comparison import Comparison, Image, Pair

THUMBNAILS = 200
#: (height, width) that a thumbnail fits into, and its JPEG quality.
THUMBNAIL, QUALITY = (256, 192), 80
TEMPLATE = Path(__file__).resolve().parent / "template"


def write(found: list[Comparison], board: dict[str, leaderboard.Line], root: Path) -> str:
    """Write the page; `root` is the data folder, there or not. Returns what to tell the user of it."""
    each = THUMBNAILS // len(found)
    sections = [_section(number, one, board, root, each) for number, one in enumerate(found, 1)]
    read = {file.name: Markup(file.read_text(encoding="utf-8")) for file in TEMPLATE.iterdir()}
    environment = Environment(loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined)
    environment.globals.update(with_interval=score.with_interval, verdict=listing.verdict)
    text = environment.get_template("page.html").render(
        sections=sections,
        written=time.strftime("%Y-%m-%d %H:%M"),
        plotly=Markup(get_plotlyjs()),
        style=read["style.css"],
        script=read["script.js"],
    )
    path = places.submissions() / "index.html"
    disk.write_text(path, text)
    pictures = sum(section["pictures"] for section in sections)
    note = "" if pictures or not any(section["images"] for section in sections) else f"; {_no_pictures(root)}"
    return f"wrote {path} ({len(text.encode()) / 1e6:.1f} MB, {pictures} thumbnails{note})"


def _no_pictures(root: Path) -> str:
    if root.is_dir():
        return f"{root} has not the images of these submissions"
    return "no data folder: give --data DIR or set MASK18_DATA"


def _section(
    number: int, found: Comparison, board: dict[str, leaderboard.Line], root: Path, most: int
) -> dict[str, Any]:
    """All that the template shows of one data set."""
    shown = [_contested(found, image, root) for image in comparison.contested(found, most)]
    pictures = sum(image["src"] is not None for image in shown)
    return {
        "number": number,
        "found": found,
        "board": board,
        "columns": [
            column
            for column in leaderboard.SCORES
            if any(board.get(one.name, {}).get(column) for one in found.submissions)
        ],
        "notes": any(board.get(one.name, {}).get("note") for one in found.submissions),
        "classes": labels.CLASSES,
        "tasks": list(labels.TASKS),
        "scale": _scale(found),
        "pairs": [_pair(found, pair) for pair in found.shown_pairs()],
        "figures": {
            "agreement": figures.agreement(found) if len(found.submissions) > 1 else None,
            "class-f1": figures.class_f1(found) if any(map(found.scores, range(len(found.submissions)))) else None,
            "board": figures.against_board(found, board),
        },
        "images": shown,
        "pictures": pictures,
        "no_pictures": None if pictures or not shown else _no_pictures(root),
        "opened": _first_dispute(found),
        "names": [one.name for one in found.submissions],
        "disputes": {
            f"{pair[0]}-{pair[1]}": _dispute(found, pair) for pair in combinations(range(len(found.submissions)), 2)
        },
    }


def _scale(found: Comparison) -> tuple[float, float]:
    """The least and the greatest macro F1 that any node's interval reaches: the ends of every small bar."""
    ends = [end for one in found.submissions for end in _ends(one.manifest["tree"])]
    return (min(ends), max(ends)) if ends and max(ends) > min(ends) else (0.0, 1.0)


def _ends(tree: dict[str, Any]) -> list[float]:
    mine = tree["oof"]["macro_f1"] if tree["oof"] else []
    return [*mine, *(end for member in tree["members"] for end in _ends(member))]


def _pair(found: Comparison, pair: Pair) -> dict[str, Any]:
    one, other = (found.submissions[which].name for which in pair)
    value, interval, verdict = found.in_words(pair)
    return {
        "one": one,
        "other": other,
        "value": value,
        "interval": interval,
        "verdict": verdict,
        "told": found.differences[pair],
    }


def _first_dispute(found: Comparison) -> int:
    """The submission that is set against the best when the page opens: the next one that is not its twin."""
    others = range(1, len(found.submissions))
    differing = (which for which in others if any(len(found.disputed((0, which), part)) for part in ("test", "train")))
    return next(differing, 1)


def _dispute(found: Comparison, pair: Pair) -> str:
    """What is said of a pair above its images."""
    one, other = (found.submissions[which] for which in pair)
    test, train = (len(found.disputed(pair, part)) for part in ("test", "train"))
    sentences = [
        f"They differ on {test} of {len(one.test)} test images and, out of fold, on {train} of {len(one.oof)} training images"
    ]
    if found.rows is not None and train:
        true, rows = found.rows["label"].to_numpy(), found.disputed(pair, "train")
        right = [int((said.oof[rows] == true[rows]).sum()) for said in (one, other)]
        sentences[0] += f"; of these {one.name} has {right[0]} right and {other.name} {right[1]}"
    if found.differences[pair]:
        value, interval, verdict = found.in_words(pair)
        sentences.append(f"{one.name} against {other.name}, out-of-fold macro F1: {value} {interval}, {verdict}")
    return ". ".join(sentences) + "."


def _contested(found: Comparison, image: Image, root: Path) -> dict[str, Any]:
    """One image as the page's script reads it: what each submission says of it, the truth if known, and its picture."""
    said = [comparison.said(one, image) for one in found.submissions]
    truth = file = None
    if image.part == "test":
        file = f"eval/images/{found.submissions[0].ids[image.row]}"
    elif found.rows is not None:
        file, truth = found.rows["file"].iloc[image.row], int(found.rows["label"].iloc[image.row])
    name = file.removeprefix("eval/images/").removeprefix("train/images/") if file else f"row {image.row}"
    return {
        "part": image.part,
        "name": name,
        "said": said,
        "truth": truth,
        "src": thumbnail(root / file) if file else None,
    }


def thumbnail(file: Path) -> str | None:
    """The image as a data URI, small; None where it is not there or cannot be decoded."""
    import cv2

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
