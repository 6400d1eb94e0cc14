"""Draws a mask on a face, worn or worn wrong, on a drawn person or on a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

COLOURS = np.array(
    [(245, 245, 245), (228, 200, 150), (38, 38, 40), (200, 160, 200), (150, 190, 120), (90, 90, 200), (205, 222, 232)],
    float,
)


@dataclass(frozen=True)
class Face:
    """Where a mask sits, in pixels: the middle, half the width, and the height of each feature."""

    x: float
    half: float
    bridge: float
    nose: float
    mouth: float
    chin: float
    ear: float


def draw_mask(image: np.ndarray, face: Face, state: int, rng: np.random.Generator) -> None:
    """Draw onto `image` (h, w, 3) uint8 in place.

    `state` 0 covers nose to chin, 1 leaves the nose or the mouth out, 2 draws nothing.
    """
    if state == 2:
        return
    tall = face.chin - face.bridge
    if state == 0:
        top, bottom = face.bridge + 0.02 * tall, face.chin + 0.04 * tall
    elif rng.random() < 0.65:
        top, bottom = face.nose + 0.1 * tall, face.chin + 0.08 * tall
    else:
        top, bottom = face.mouth + 0.12 * tall, face.chin + 0.3 * tall
    top, bottom = top + rng.normal(0, 0.03) * tall, min(bottom + rng.normal(0, 0.02) * tall, image.shape[0] - 2)
    middle = face.x + rng.normal(0, 0.04) * face.half
    colour = np.clip(COLOURS[rng.integers(len(COLOURS))] + rng.normal(0, 12, 3), 0, 255)
    shape = _shape(middle, face.half, top, bottom, beak=float(rng.random() < 0.4))
    _straps(image, face, shape, colour)
    _cloth(image, shape, colour, rng)


def _shape(x: float, half: float, top: float, bottom: float, beak: float) -> np.ndarray:
    """Right half clockwise from the nose, then its mirror; `beak` 1 for the folded kind that stands off the face."""
    tall = bottom - top
    right = [
        (0, -0.06 * beak),
        (0.42, 0.07),
        (0.9, 0.2),
        (0.93, 0.5 + 0.1 * beak),
        (0.72, 0.84),
        (0.34 - 0.1 * beak, 1),
    ]
    points = [(x + half * u, top + tall * v) for u, v in right]
    return np.array(points + [(2 * x - px, py) for px, py in reversed(points)])


def _straps(image: np.ndarray, face: Face, shape: np.ndarray, colour: np.ndarray) -> None:
    low, high = shape[3], shape[2]
    for s in (1, -1):
        ear = (round(face.x + s * face.half * 1.06), round(face.ear))
        for x, y in (high, low):
            corner = (round(face.x + s * (x - face.x)), round(y))
            cv2.line(image, corner, ear, tuple(colour * 0.92), max(1, round(face.half / 32)), cv2.LINE_AA)


def _cloth(image: np.ndarray, shape: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [np.round(shape * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    top, bottom = shape[:, 1].min(), shape[:, 1].max()
    shade = np.interp(np.arange(height), [top, (top + bottom) / 2, bottom], [1.02, 1.0, 0.8])
    across = 1 - 0.18 * np.abs(np.linspace(-1, 1, width)) ** 2
    cloth = colour * (shade[:, None] * across)[..., None]
    if rng.random() < 0.6:
        for v in (0.32, 0.5, 0.68):
            y = round(top + (bottom - top) * v)
            cloth[y : y + max(1, height // 250)] *= 0.86
    weight = cover[..., None].astype(np.float32) / 255
    image[:] = np.clip(image + (cloth - image) * weight, 0, 255).astype(np.uint8)
