"""Makes an image of the competition's size out of an aligned, square face photograph (UTKFace), perhaps masked."""

import cv2
import numpy as np

from core.people.masks import Face, draw_mask
from core.people.portrait import HEIGHT, WIDTH, Drawn, box
from core.refusal import Refusal

SIDE = 200
#: Where UTKFace's alignment puts a face in a 200 x 200 crop.
ALIGNED = Face(x=100, half_width=68, bridge=104, nose=136, mouth=158, chin=194, ear=96)
#: And the top of its forehead, as a face detector sees it.
FOREHEAD = 36


def read(path: str) -> np.ndarray:
    """The photograph at `path`, (200, 200, 3) uint8 BGR. Refuses: one that cannot be decoded."""
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise Refusal(f"{path}: cannot be read as an image; remove it")
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def draw(face: np.ndarray, state: int, rng: np.random.Generator) -> Drawn:
    """One image of `face`, as `read` gives it, with random mask, size, position, contrast and brightness.
    (512, 384, 3) uint8 BGR; the background is the face itself, blurred and enlarged. `state` as in `draw_mask`.
    With the box of the face, from the forehead to the chin."""
    masked = face.copy()
    draw_mask(masked, ALIGNED, state, rng)
    small = cv2.GaussianBlur(cv2.resize(face, (12, 16), interpolation=cv2.INTER_AREA), (0, 0), 2)
    image = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    side = round(250 * rng.uniform(0.92, 1.08))
    x, y = (WIDTH - side) // 2 + rng.integers(-12, 13), (HEIGHT - side) // 2 + rng.integers(-15, 16)
    image[y : y + side, x : x + side] = cv2.resize(masked, (side, side), interpolation=cv2.INTER_CUBIC)
    image = np.clip(image * rng.uniform(0.85, 1.15) + rng.uniform(-12, 12), 0, 255).astype(np.uint8)
    scale, edges = side / SIDE, (ALIGNED.x - ALIGNED.half_width, FOREHEAD, ALIGNED.x + ALIGNED.half_width, ALIGNED.chin)
    return image, box(*(start + scale * edge for start, edge in zip((x, y, x, y), edges, strict=True)))
