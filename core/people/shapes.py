"""Soft, antialiased shapes on a uint8 image; each touches only the box around it. Points are (x, y) in pixels."""

from __future__ import annotations

import cv2
import numpy as np


def paint(image: np.ndarray, mask: np.ndarray, box: tuple[slice, slice], colour, alpha: float) -> None:
    """Blend `colour` into the box of `image` where `mask` (uint8) says so."""
    weight = mask[..., None].astype(np.float32) * np.float32(alpha / 255)
    part = image[box].astype(np.float32)
    image[box] = np.clip(part + (np.asarray(colour, np.float32) - part) * weight, 0, 255).astype(np.uint8)


def _box(image: np.ndarray, points: np.ndarray, pad: int) -> tuple[tuple[slice, slice], np.ndarray, tuple[int, int]]:
    low = np.maximum(np.floor(points.min(0)).astype(int) - pad, 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + pad + 1, image.shape[1::-1])
    high = np.maximum(high, low + 1)
    fixed = np.round((points - low) * 16).astype(np.int32)
    return (slice(low[1], high[1]), slice(low[0], high[0])), fixed, (high[1] - low[1], high[0] - low[0])


def patch(image: np.ndarray, points, colour, alpha: float = 1.0, soft: float = 0.0) -> None:
    """A filled shape with antialiased or `soft` (sigma in pixels) edges."""
    box, fixed, size = _box(image, np.asarray(points, float), int(3 * soft) + 2)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    paint(image, cv2.GaussianBlur(mask, (0, 0), soft) if soft else mask, box, colour, alpha)


def stroke(image: np.ndarray, points, colour, width: int = 1, alpha: float = 1.0, soft: float = 0.0) -> None:
    """An open line through `points`."""
    box, fixed, size = _box(image, np.asarray(points, float), int(3 * soft) + width + 2)
    mask = np.zeros(size, np.uint8)
    cv2.polylines(mask, [fixed], False, 255, width, cv2.LINE_AA, 4)
    paint(image, cv2.GaussianBlur(mask, (0, 0), soft) if soft else mask, box, colour, alpha)


def oval(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> np.ndarray:
    """Points on an ellipse, angles in degrees, clockwise from the right."""
    angle = np.radians(np.linspace(start, end, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)
