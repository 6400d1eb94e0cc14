"""Draws one photograph of a person, front on, with or without a mask.

Colours are BGR as OpenCV keeps them, lengths are pixels of the 384 x 512 frame.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.people.masks import Face, draw_mask
from core.people.person import Person
from core.people.shapes import oval, patch, stroke

HEIGHT, WIDTH = 512, 384
CX, BROW, EYE, NOSE, MOUTH, CHIN, SKULL = 192, 213, 234, 283, 313, 350, 138


def outline(who: Person) -> np.ndarray:
    """The face: an oval above the cheeks, a jaw that narrows to the chin below."""
    top = oval(CX, EYE + 10, who.half, EYE + 10 - SKULL, 180, 360)
    w = who.jaw
    jaw = [
        (CX + who.half * s, EYE + 10 + (CHIN - EYE - 10) * t)
        for s, t in ((0.97, 0.3), (0.8 + 0.13 * w, 0.6), (0.45 + 0.25 * w, 0.88), (0.14 + 0.2 * w, 0.99))
    ]
    return np.concatenate([top, jaw, [(2 * CX - x, y) for x, y in reversed(jaw)]])


def draw(who: Person, state: int, rng: np.random.Generator) -> np.ndarray:
    """One photograph: (512, 384, 3) uint8 BGR; `state` 0 mask worn, 1 worn wrong, 2 none."""
    image = _background(rng)
    _behind(image, who)
    _head(image, who)
    _lines(image, who)
    _features(image, who)
    _hair(image, who)
    draw_mask(image, Face(CX, who.half, 258, NOSE, MOUTH, CHIN, EYE + 14), state, rng)
    return _camera(image, rng)


def _background(rng: np.random.Generator) -> np.ndarray:
    small = rng.uniform(60, 205) + rng.uniform(-45, 45, 3) + rng.normal(0, 22, (6, 5, 1)) + rng.normal(0, 8, (6, 5, 3))
    return cv2.resize(np.clip(small, 0, 255).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def _behind(image: np.ndarray, who: Person) -> None:
    """What the face stands before: long hair, neck and clothes."""
    if who.long_hair:
        down = 410 + who.seed % 60
        side = who.half + 20
        patch(
            image,
            np.concatenate([oval(CX, 222, side, 106, 180, 360), [(CX + side + 8, down), (CX - side - 8, down)]]),
            who.hair * 0.8,
            soft=2,
        )
    neck = 32 + 14 * who.jaw
    patch(
        image, [(CX - neck, 310), (CX + neck, 310), (CX + neck + 6, 420), (CX - neck - 6, 420)], who.skin * 0.82, soft=2
    )
    for y in (372, 384):
        stroke(image, oval(CX, y - 12, 40, 14, 25, 155), who.skin * 0.55, 2, 0.6 * who.lines[5], 0.8)
    patch(
        image,
        [(20, 512), (50, 440), (CX - 44, 398), (CX, 424), (CX + 44, 398), (334, 440), (364, 512)],
        who.cloth,
        soft=1,
    )
    if who.collar == 1:
        for s in (-1, 1):
            patch(image, [(CX + s * 46, 392), (CX + s * 8, 436), (CX + s * 52, 446)], who.cloth * 0.5 + 120)
    if who.collar == 2:
        patch(image, [(CX - 12, 424), (CX + 12, 424), (CX + 16, 512), (CX - 16, 512)], 240 - who.cloth)


def _head(image: np.ndarray, who: Person) -> None:
    for s in (-1, 1):
        patch(image, oval(CX + s * (who.half + 3), 254, 10, 21), who.skin * 0.86, soft=1)
        if who.earrings:
            patch(image, oval(CX + s * (who.half + 5), 279, 4, 5), (150, 215, 235))
    face = outline(who)
    patch(image, face, who.skin, soft=1.2)
    patch(image, oval(CX, 300, who.half * 0.8, 46), who.skin * 0.93, 0.5, 10)
    for s in (-1, 1):
        patch(image, oval(CX + s * 38, 284, 16, 12), who.skin * (0.9, 0.8, 1.06), 0.75 * who.blush, 6)
    if who.stubble:
        patch(image, oval(CX, 322, who.half * 0.72, 34), who.hair * 0.5 + who.skin * 0.35, 0.4 * who.stubble, 6)
    own = np.random.default_rng(who.seed)
    for _ in range(who.spots):
        x, y = own.normal(CX, 34), own.uniform(165, 300)
        patch(
            image, oval(x, y, own.uniform(1.2, 3), own.uniform(1.2, 2.6)), who.skin * 0.66, own.uniform(0.4, 0.8), 0.6
        )


def _lines(image: np.ndarray, who: Person) -> None:
    """What the years leave; strengths are the person's own."""
    dark = who.skin * 0.52
    forehead, glabella, crow, bags, fold, _ = who.lines
    for k, y in enumerate((176, 187, 197)):
        stroke(image, oval(CX, y + 8, 40 - 3 * k, 9, 205, 335), dark, 2, 0.75 * forehead * (1 - 0.15 * k), 0.7)
    for s in (-1, 1):
        stroke(image, [(CX + s * 5, 206), (CX + s * 6, 221)], dark, 2, 0.8 * glabella, 0.7)
        for dy in (-8, 0, 8):
            stroke(image, [(CX + s * 49, EYE + dy * 0.3), (CX + s * 62, EYE + dy)], dark, 2, 0.8 * crow, 0.7)
        stroke(image, oval(CX + s * 30, EYE + 6, 17, 11, 20, 160), dark, 3, 0.7 * bags, 1.0)
        stroke(image, [(CX + s * 16, 282), (CX + s * 26, 296), (CX + s * 30, 314)], dark, 2, 0.75 * fold, 0.9)


def _features(image: np.ndarray, who: Person) -> None:
    for s in (-1, 1):
        x = CX + s * 30
        open_ = 8.5 - 3.2 * who.lid
        patch(image, oval(x, EYE, 15, open_), (236, 238, 240))
        patch(image, oval(x, EYE, 7, min(7.0, open_ + 0.6)), (40, 46, 62))
        patch(image, oval(x, EYE, 3, 3), (12, 12, 14))
        stroke(
            image,
            oval(x, EYE, 15.5, open_ + 0.5, 185, 355),
            (26, 26, 34),
            1 + round(2 * who.lashes),
            0.55 + 0.45 * who.lashes,
        )
        stroke(image, oval(x, EYE - 3, 17, 9 + 2 * who.lid, 195, 345), who.skin * 0.6, 2, 0.3 + 0.6 * who.lid, 0.6)
        stroke(
            image,
            oval(x, BROW + 9, 20, 10, 200, 340),
            who.hair * 0.8,
            2 + round(5 * who.brow),
            0.5 + 0.4 * who.brow,
            0.7,
        )
        stroke(image, [(CX + s * 7, 240), (CX + s * 9, 270)], who.skin * 0.75, 3, 0.4, 1.5)
        patch(image, oval(CX + s * 8, NOSE, 4, 2.6), who.skin * 0.45, 0.8, 0.8)
        if who.glasses:
            stroke(image, oval(x, EYE + 2, 23, 17), np.full(3, 130 - 110 * who.glasses), 3)
            stroke(image, [(CX + s * 53, EYE), (CX + s * who.half, EYE - 3)], np.full(3, 130 - 110 * who.glasses), 2)
    patch(image, oval(CX, NOSE - 5, 12, 8), who.skin * 1.04, 0.6, 3)
    patch(image, np.concatenate([oval(CX, MOUTH, 23, 7, 180, 360), oval(CX, MOUTH, 23, 9, 0, 180)]), who.lips, 0.85, 1)
    stroke(image, oval(CX, MOUTH - 3, 23, 5, 20, 160), who.lips * 0.5, 1, 0.8)


def _hair(image: np.ndarray, who: Person) -> None:
    """The cap of hair from ear to ear, its lower edge a hairline that recedes or a fringe that falls."""
    side = who.half + 7
    edge = 176 - 30 * who.recession + 30 * who.fringe
    temple = 218 - 40 * who.recession
    cap = oval(CX, 218, side, 218 - SKULL + 14, 180, 360)
    line = [
        (CX + side - 9, temple + 24),
        (CX + side * 0.78, temple - 14),
        (CX + side * 0.45, edge + 4 - 12 * who.recession),
        (CX + 6, edge),
    ]
    patch(image, np.concatenate([cap, line, [(2 * CX - x, y + 3) for x, y in reversed(line)]]), who.hair, soft=1.5)
    own = np.random.default_rng(who.seed + 1)
    for _ in range(14):
        x = own.uniform(-0.8, 0.8)
        stroke(
            image,
            [(CX + x * side * 0.5, SKULL + 4), (CX + x * side, 150 + 42 * x * x)],
            who.hair * own.uniform(0.7, 1.3) + 6,
            2,
            0.5,
            0.8,
        )


def _camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pose, light, noise and focus of one shot."""
    turn = cv2.getRotationMatrix2D((CX, 260), rng.normal(0, 5), rng.uniform(0.88, 1.14))
    turn[:, 2] += np.array([rng.uniform(-16, 16), rng.uniform(-22, 22)])
    image = cv2.warpAffine(image, turn, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = cv2.resize(
        rng.uniform(0.72, 1.22) + rng.normal(0, 0.13, (3, 3, 1)) + rng.normal(0, 0.03, (3, 3, 3)),
        (WIDTH, HEIGHT),
        interpolation=cv2.INTER_LINEAR,
    )
    noise = rng.normal(0, rng.uniform(1, 6), (HEIGHT // 2, WIDTH // 2, 1)).astype(np.float32)
    lit = image * light.astype(np.float32) + cv2.resize(noise, (WIDTH, HEIGHT))[..., None]
    image = np.clip(lit, 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.4)) if rng.random() < 0.3 else image
