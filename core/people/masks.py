"""Draws a mask on a face, worn or worn wrong, on a drawn person or on a photograph."""

from dataclasses import dataclass

import cv2
import numpy as np

#: Colours of masks, BGR.
COLOURS = np.array(
    [(245, 245, 245), (228, 200, 150), (38, 38, 40), (200, 160, 200), (150, 190, 120), (90, 90, 200), (205, 222, 232)],
    float,
)


@dataclass(frozen=True)
class Face:
    """Where a face is in an image, in pixels: x of its centre, half its width, and y of each feature."""

    x: float
    half_width: float
    bridge: float
    nose: float
    mouth: float
    chin: float
    ear: float


def draw_mask(image: np.ndarray, face: Face, state: int, rng: np.random.Generator) -> None:
    """Draw a mask of random shape and colour onto `image` (h, w, 3) uint8 BGR, in place.
    `state` is a class of `labels.MASK`: 0 covers nose to chin, 1 leaves nose or mouth uncovered, 2 draws nothing."""
    if state == 2:
        return
    height = face.chin - face.bridge
    if state == 0:
        top, bottom = face.bridge + 0.02 * height, face.chin + 0.04 * height
    elif rng.random() < 0.65:
        top, bottom = face.nose + 0.1 * height, face.chin + 0.08 * height
    else:
        top, bottom = face.mouth + 0.12 * height, face.chin + 0.3 * height
    top, bottom = top + rng.normal(0, 0.03) * height, min(bottom + rng.normal(0, 0.02) * height, image.shape[0] - 2)
    centre = face.x + rng.normal(0, 0.04) * face.half_width
    colour = np.clip(COLOURS[rng.integers(len(COLOURS))] + rng.normal(0, 12, 3), 0, 255)
    outline = _outline(centre, face.half_width, top, bottom, beak=float(rng.random() < 0.4))
    _draw_straps(image, face, outline, colour)
    _draw_cloth(image, outline, colour, rng)


def _outline(x: float, half_width: float, top: float, bottom: float, beak: float) -> np.ndarray:
    """(12, 2) points: the right half clockwise from the nose, then its mirror image.
    `beak` is 1 for a folded mask that stands away from the face, 0 for a flat one."""
    u = np.array([0, 0.42, 0.9, 0.93, 0.72, 0.34 - 0.1 * beak])
    v = np.array([-0.06 * beak, 0.07, 0.2, 0.5 + 0.1 * beak, 0.84, 1])
    right = np.stack([x + half_width * u, top + (bottom - top) * v], 1)
    return np.concatenate([right, (2 * x, 0) + right[::-1] * (-1, 1)])


def _draw_straps(image: np.ndarray, face: Face, outline: np.ndarray, colour: np.ndarray) -> None:
    thickness = max(1, round(face.half_width / 32))
    for side in (1, -1):
        ear = (round(face.x + side * face.half_width * 1.06), round(face.ear))
        for x, y in outline[2:4]:
            corner = (round(face.x + side * (x - face.x)), round(y))
            cv2.line(image, corner, ear, tuple(colour * 0.92), thickness, cv2.LINE_AA)


def _draw_cloth(image: np.ndarray, outline: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> None:
    """The cloth, darker towards its edges, perhaps with three folds."""
    height, width = image.shape[:2]
    coverage = np.zeros((height, width), np.uint8)
    cv2.fillPoly(coverage, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    top, bottom = outline[:, 1].min(), outline[:, 1].max()
    by_row = np.interp(np.arange(height), [top, (top + bottom) / 2, bottom], [1.02, 1.0, 0.8])
    by_column = 1 - 0.18 * np.abs(np.linspace(-1, 1, width)) ** 2
    cloth = colour * (by_row[:, None] * by_column)[..., None]
    if rng.random() < 0.6:
        for part in (0.32, 0.5, 0.68):
            y = round(top + (bottom - top) * part)
            cloth[y : y + max(1, height // 250)] *= 0.86
    weight = coverage[..., None].astype(np.float32) / 255
    image[:] = np.clip(image + (cloth - image) * weight, 0, 255).astype(np.uint8)
