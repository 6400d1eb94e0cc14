"""Antialiased shapes on a uint8 image. Points are (x, y) in pixels, colours BGR.

Only the pixels in a shape's bounding box are read and written, so a small shape costs little.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike


def fill(image: np.ndarray, points: ArrayLike, colour: ArrayLike, alpha: float = 1.0, blur: float = 0.0) -> None:
    """Fill the polygon `points` (n, 2) on `image` (h, w, 3) uint8, in place.
    `alpha` is the opacity, 0 to 1; `blur` the sigma in pixels of the blur of the edges."""
    stroke(image, points, colour, 0, alpha, blur)


def stroke(
    image: np.ndarray, points: ArrayLike, colour: ArrayLike, width: int = 1, alpha: float = 1.0, blur: float = 0.0
) -> None:
    """Draw an open line of `width` pixels through `points`, or fill them if it is 0; the rest as in `fill`."""
    points, pad = np.asarray(points, float), int(3 * blur) + width + 2
    low = np.maximum(np.floor(points.min(0)).astype(int) - pad, 0)
    high = np.maximum(np.minimum(np.ceil(points.max(0)).astype(int) + pad + 1, image.shape[1::-1]), low + 1)
    corners = [np.round((points - low) * 16).astype(np.int32)]
    coverage = np.zeros((high - low)[::-1], np.uint8)
    if width:
        cv2.polylines(coverage, corners, False, 255, width, cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(coverage, corners, 255, cv2.LINE_AA, 4)
    if blur:
        coverage = cv2.GaussianBlur(coverage, (0, 0), blur)
    weight = coverage[..., None].astype(np.float32) * np.float32(alpha / 255)
    part = image[low[1] : high[1], low[0] : high[0]]
    part[:] = np.clip(part + (np.asarray(colour, np.float32) - part) * weight, 0, 255)


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> np.ndarray:
    """(40, 2) points on the ellipse with this centre and these radii, between angles clockwise from the right."""
    angle = np.radians(np.linspace(start, end, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)
