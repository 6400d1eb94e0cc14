"""Images per second of each augmentation at 360 x 200 on one thread; where core/images/fast_transforms.py has its
own, beside the library's, the two taking turns.

python tests/benchmarks/augmentations.py
"""

import sys
import time

import albumentations
import cv2
import numpy as np

from core import recipe
from core.images import augment, fast_transforms

SIZE, SECONDS, ROUNDS = (360, 200), 0.5, 3


def per_second(transform: albumentations.BasicTransform, image: np.ndarray) -> float:
    transform.p = 1.0
    made = albumentations.Compose([transform], strict=True)
    start, number = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        augment.apply(made, image, number)
        number += 1
    return number / (time.perf_counter() - start)


def row(name: str, frame: np.ndarray) -> str:
    """A line of the markdown table."""
    (ours,) = augment.pipeline((name,), SIZE).transforms
    image = frame if name == "random_crop" else np.ascontiguousarray(frame[: SIZE[0], : SIZE[1]])
    if type(ours).__module__ != fast_transforms.__name__:
        return f"| {name} | {per_second(ours, image):,.0f} | | |"
    theirs = getattr(albumentations, type(ours).__name__)(**ours.get_transform_init_args())
    rounds = np.array([(per_second(ours, image), per_second(theirs, image)) for _ in range(ROUNDS)])
    fast, slow = np.median(rounds, 0)
    ratio = np.median(rounds[:, 0] / rounds[:, 1])
    return f"| {name} | {fast:,.0f} | {slow:,.0f} | {ratio:.1f} |"


def main() -> None:
    # blurred: neighbours are alike, as in a photograph
    frame = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (512, 384, 3), np.uint8), (9, 9), 0)
    print("| augmentation | images/s | the library's | times |\n|---|---|---|---|")
    for name in augment.NAMES:
        print(row(name, frame), flush=True)


if __name__ == "__main__":
    recipe.parse_words(recipe.NoFlags, [0], "no word", sys.argv[1:])
    main()
