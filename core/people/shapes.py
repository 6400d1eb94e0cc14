"""Antialiased shapes on a uint8 image. Points are (x, y) in pixels, colours BGR.

Only the pixels in a shape's bounding box are read and written, so a small shape costs little.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike


def fill(image: np.ndarray, points: ArrayLike, colour: ArrayLike, alpha: float = 1.0, blur: float = 0.0) -> None:
    """Fill the polygon `points` (n, 2) on `image` (h, w, 3) uint8, in place.

    Args:
        image: drawn on.
        points: the corners.
        colour: (3,).
        alpha: opacity, 0 to 1.
        blur: sigma in pixels of the blur of the edges.
    """
    box, fixed, size = _box(image, np.asarray(points, float), int(3 * blur) + 2)
    coverage = np.zeros(size, np.uint8)
    cv2.fillPoly(coverage, [fixed], 255, cv2.LINE_AA, 4)
    _blend(image, cv2.GaussianBlur(coverage, (0, 0), blur) if blur else coverage, box, colour, alpha)


def stroke(
    image: np.ndarray, points: ArrayLike, colour: ArrayLike, width: int = 1, alpha: float = 1.0, blur: float = 0.0
) -> None:
    """Draw an open line of `width` pixels through `points` (n, 2); the other arguments are those of `fill`."""
    box, fixed, size = _box(image, np.asarray(points, float), int(3 * blur) + width + 2)
    coverage = np.zeros(size, np.uint8)
    cv2.polylines(coverage, [fixed], False, 255, width, cv2.LINE_AA, 4)
    _blend(image, cv2.GaussianBlur(coverage, (0, 0), blur) if blur else coverage, box, colour, alpha)


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> np.ndarray:
    """(40, 2) points on the ellipse with this centre and these radii, from angle `start` to `end`.

    Angles in degrees, clockwise from the right.
    """
    angle = np.radians(np.linspace(start, end, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)


def _box(image: np.ndarray, points: np.ndarray, pad: int) -> tuple[tuple[slice, slice], np.ndarray, tuple[int, int]]:
    """The bounding box within the image, the points in it as fixed-point numbers, and its (height, width)."""
    low = np.maximum(np.floor(points.min(0)).astype(int) - pad, 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + pad + 1, image.shape[1::-1])
    high = np.maximum(high, low + 1)
    fixed = np.round((points - low) * 16).astype(np.int32)
    return (slice(low[1], high[1]), slice(low[0], high[0])), fixed, (high[1] - low[1], high[0] - low[0])


def _blend(image: np.ndarray, coverage: np.ndarray, box: tuple[slice, slice], colour: ArrayLike, alpha: float) -> None:
    """Blend `colour` into the box of `image`, each pixel by its `coverage` (uint8, of the box)."""
    weight = coverage[..., None].astype(np.float32) * np.float32(alpha / 255)
    part = image[box].astype(np.float32)
    image[box] = np.clip(part + (np.asarray(colour, np.float32) - part) * weight, 0, 255).astype(np.uint8)
