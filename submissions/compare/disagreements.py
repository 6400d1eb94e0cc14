"""Images on which submissions disagree: which ones there are, and a choice of them for the page."""

from collections.abc import Iterator
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from ensembles.voting.submission import Submission
from submissions.compare.comparison import Comparison, Pair

Part = Literal["train", "test"]
PARTS: tuple[Part, Part] = ("test", "train")


class Image(NamedTuple):
    """A row of the training images or of the test images."""

    part: Part
    row: int


def rows(comparison: Comparison, pair: Pair, part: Part) -> np.ndarray:
    """Rows on which two submissions disagree; of the training rows, those that both predict out of fold."""
    one, other = (comparison.submissions[index] for index in pair)
    if part == "test":
        return np.flatnonzero(one.test != other.test)
    return np.flatnonzero((one.oof != other.oof) & (one.oof >= 0) & (other.oof >= 0))


def predicted(submission: Submission, image: Image) -> int:
    """The submission's class for the image, -1 for a training image that no fold held out."""
    return int((submission.test if image.part == "test" else submission.oof)[image.row])


def choose(comparison: Comparison, most: int) -> list[Image]:
    """At most `most` images, spread evenly over the pairs of submissions and over test and training.

    Each step takes an image for the pair and part that has the fewest. A second training image of a person comes
    after all others' first, because the images of a person are near-copies. The choice is the same every time.
    """
    pairs = list(combinations(range(len(comparison.submissions)), 2))
    queues = {(pair, part): _queue(comparison, pair, part) for pair in pairs for part in PARTS}
    counts = dict.fromkeys(queues, 0)
    chosen: dict[Image, None] = {}
    while queues and len(chosen) < most:
        fewest = min(queues, key=lambda key: counts[key])
        image = next((image for image in queues[fewest] if image not in chosen), None)
        if image is None:
            del queues[fewest]
            continue
        chosen[image] = None
        for pair, part in counts:
            classes = {predicted(comparison.submissions[index], image) for index in pair}
            counts[pair, part] += part == image.part and len(classes) == 2 and -1 not in classes
    return list(chosen)


def _queue(comparison: Comparison, pair: Pair, part: Part) -> Iterator[Image]:
    """The pair's images in a random order, the same for every pair; the first image of every person comes first."""
    first = comparison.submissions[0]
    order = np.random.default_rng(0).permutation(len(first.test if part == "test" else first.oof))
    order = order[np.isin(order, rows(comparison, pair, part))]
    if part == "train" and comparison.rows is not None:
        people = comparison.rows["person"].iloc[order]
        order = order[np.argsort(people.groupby(people).cumcount().to_numpy(), kind="stable")]
    return (Image(part, int(row)) for row in order)


def first_other(comparison: Comparison) -> int:
    """The submission that the page shows first against the best: the next one that disagrees with it."""
    others = range(1, len(comparison.submissions))
    return next((index for index in others if any(len(rows(comparison, (0, index), part)) for part in PARTS)), 1)


def summary(comparison: Comparison, pair: Pair) -> str:
    """The sentences above a pair's images."""
    one, other = (comparison.submissions[index] for index in pair)
    test, train = (rows(comparison, pair, part) for part in PARTS)
    text = f"They disagree on {len(test)} of {len(one.test)} test images and, out of fold,"
    text += f" on {len(train)} of {len(one.oof)} training images"
    if comparison.rows is not None and len(train):
        true = comparison.rows["label"].to_numpy()[train]
        right = [int((each.oof[train] == true).sum()) for each in (one, other)]
        text += f"; of these {one.name} has {right[0]} right and {other.name} {right[1]}"
    if comparison.differences[pair]:
        value, interval, verdict = comparison.difference_text(pair)
        text += f". {one.name} against {other.name}, out-of-fold macro F1: {value} {interval}, {verdict}"
    return f"{text}."
