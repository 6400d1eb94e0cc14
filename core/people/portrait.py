"""Draws one image of a person, front on, with or without a mask.

Colours are BGR, as OpenCV stores them; lengths are pixels of the 384 x 512 frame.
"""

import cv2
import numpy as np

from core.people.masks import Face, draw_mask
from core.people.person import Person
from core.people.shapes import ellipse, fill, stroke

HEIGHT, WIDTH = 512, 384
#: left, top, width and height of a face, and an image with it.
Box = tuple[int, int, int, int]
Drawn = tuple[np.ndarray, Box]
#: x of the centre of the face, and y of its features; the skull is the top of the head.
CX, BROW, EYE, NOSE, MOUTH, CHIN, SKULL = 192, 213, 234, 283, 313, 350, 138


def draw(person: Person, state: int, rng: np.random.Generator) -> Drawn:
    """One image of the person, (512, 384, 3) uint8 BGR, with random mask, background, pose and light, and the box of
    the face. `state` is a class of `labels.MASK`: 0 mask worn, 1 worn wrong, 2 none."""
    image = _background(rng)
    for draw_part in (_draw_behind_face, _draw_head, _draw_wrinkles, _draw_features, _draw_hair):
        draw_part(image, person)
    draw_mask(image, Face(CX, person.half_width, 258, NOSE, MOUTH, CHIN, EYE + 14), state, rng)
    return _photograph(image, person.half_width, rng)


def _background(rng: np.random.Generator) -> np.ndarray:
    small = rng.uniform(60, 205) + rng.uniform(-45, 45, 3) + rng.normal(0, 22, (6, 5, 1)) + rng.normal(0, 8, (6, 5, 3))
    return cv2.resize(np.clip(small, 0, 255).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def _draw_behind_face(image: np.ndarray, person: Person) -> None:
    """What the face is drawn over: long hair, neck and clothes."""
    skin, clothes = person.skin, person.clothes
    if person.long_hair:
        end, side = 410 + person.seed % 60, person.half_width + 20
        hair = [*ellipse(CX, 222, side, 106, 180, 360), (CX + side + 8, end), (CX - side - 8, end)]
        fill(image, hair, person.hair * 0.8, blur=2)
    neck = 32 + 14 * person.jaw
    corners = [(CX - neck, 310), (CX + neck, 310), (CX + neck + 6, 420), (CX - neck - 6, 420)]
    fill(image, corners, skin * 0.82, blur=2)
    for y in (372, 384):
        stroke(image, ellipse(CX, y - 12, 40, 14, 25, 155), skin * 0.55, 2, 0.6 * person.wrinkles[5], 0.8)
    shoulders = [(20, 512), (50, 440), (CX - 44, 398), (CX, 424), (CX + 44, 398), (334, 440), (364, 512)]
    fill(image, shoulders, clothes, blur=1)
    if person.collar == 1:
        for s in (-1, 1):
            fill(image, [(CX + s * 46, 392), (CX + s * 8, 436), (CX + s * 52, 446)], clothes * 0.5 + 120)
    if person.collar == 2:
        fill(image, [(CX - 12, 424), (CX + 12, 424), (CX + 16, 512), (CX - 16, 512)], 240 - clothes)


def _draw_head(image: np.ndarray, person: Person) -> None:
    """Ears, face, cheeks, stubble and spots."""
    skin, half_width = person.skin, person.half_width
    for s in (-1, 1):
        fill(image, ellipse(CX + s * (half_width + 3), 254, 10, 21), skin * 0.86, blur=1)
        if person.earrings:
            fill(image, ellipse(CX + s * (half_width + 5), 279, 4, 5), (150, 215, 235))
    fill(image, _face_outline(person), skin, blur=1.2)
    fill(image, ellipse(CX, 300, half_width * 0.8, 46), skin * 0.93, 0.5, 10)
    for s in (-1, 1):
        fill(image, ellipse(CX + s * 38, 284, 16, 12), skin * (0.9, 0.8, 1.06), 0.75 * person.blush, 6)
    if person.stubble:
        colour = person.hair * 0.5 + skin * 0.35
        fill(image, ellipse(CX, 322, half_width * 0.72, 34), colour, 0.4 * person.stubble, 6)
    rng = np.random.default_rng(person.seed)
    for _ in range(person.spots):
        x, y = rng.normal(CX, 34), rng.uniform(165, 300)
        spot = ellipse(x, y, rng.uniform(1.2, 3), rng.uniform(1.2, 2.6))
        fill(image, spot, skin * 0.66, rng.uniform(0.4, 0.8), 0.6)


def _face_outline(person: Person) -> np.ndarray:
    """(n, 2) points: an ellipse above the cheeks, below it a jaw that narrows to the chin."""
    top = ellipse(CX, EYE + 10, person.half_width, EYE + 10 - SKULL, 180, 360)
    w = person.jaw
    jaw = [
        (CX + person.half_width * s, EYE + 10 + (CHIN - EYE - 10) * t)
        for s, t in ((0.97, 0.3), (0.8 + 0.13 * w, 0.6), (0.45 + 0.25 * w, 0.88), (0.14 + 0.2 * w, 0.99))
    ]
    return np.concatenate([top, jaw, [(2 * CX - x, y) for x, y in reversed(jaw)]])


def _draw_wrinkles(image: np.ndarray, person: Person) -> None:
    dark = person.skin * 0.52
    forehead, between_brows, beside_eyes, below_eyes, nose_to_mouth, _ = person.wrinkles
    for k, y in enumerate((176, 187, 197)):
        stroke(image, ellipse(CX, y + 8, 40 - 3 * k, 9, 205, 335), dark, 2, 0.75 * forehead * (1 - 0.15 * k), 0.7)
    for s in (-1, 1):
        stroke(image, [(CX + s * 5, 206), (CX + s * 6, 221)], dark, 2, 0.8 * between_brows, 0.7)
        for dy in (-8, 0, 8):
            stroke(image, [(CX + s * 49, EYE + dy * 0.3), (CX + s * 62, EYE + dy)], dark, 2, 0.8 * beside_eyes, 0.7)
        stroke(image, ellipse(CX + s * 30, EYE + 6, 17, 11, 20, 160), dark, 3, 0.7 * below_eyes, 1.0)
        fold = [(CX + s * 16, 282), (CX + s * 26, 296), (CX + s * 30, 314)]
        stroke(image, fold, dark, 2, 0.75 * nose_to_mouth, 0.9)


def _draw_features(image: np.ndarray, person: Person) -> None:
    """Eyes, brows, nose, glasses and mouth."""
    skin, lips = person.skin, person.lips
    for s in (-1, 1):
        _draw_eye(image, person, CX + s * 30)
        stroke(image, [(CX + s * 7, 240), (CX + s * 9, 270)], skin * 0.75, 3, 0.4, 1.5)
        fill(image, ellipse(CX + s * 8, NOSE, 4, 2.6), skin * 0.45, 0.8, 0.8)
        if person.glasses:
            frame = np.full(3, 130 - 110 * person.glasses)
            stroke(image, ellipse(CX + s * 30, EYE + 2, 23, 17), frame, 3)
            stroke(image, [(CX + s * 53, EYE), (CX + s * person.half_width, EYE - 3)], frame, 2)
    fill(image, ellipse(CX, NOSE - 5, 12, 8), skin * 1.04, 0.6, 3)
    mouth = np.concatenate([ellipse(CX, MOUTH, 23, 7, 180, 360), ellipse(CX, MOUTH, 23, 9, 0, 180)])
    fill(image, mouth, lips, 0.85, 1)
    stroke(image, ellipse(CX, MOUTH - 3, 23, 5, 20, 160), lips * 0.5, 1, 0.8)


def _draw_eye(image: np.ndarray, person: Person, x: float) -> None:
    """One eye with its lashes, lid and brow; `x` of its centre."""
    eyelid, lashes, brow = person.eyelid, person.lashes, person.brow
    opening = 8.5 - 3.2 * eyelid
    fill(image, ellipse(x, EYE, 15, opening), (236, 238, 240))
    fill(image, ellipse(x, EYE, 7, min(7.0, opening + 0.6)), (40, 46, 62))
    fill(image, ellipse(x, EYE, 3, 3), (12, 12, 14))
    upper_edge = ellipse(x, EYE, 15.5, opening + 0.5, 185, 355)
    stroke(image, upper_edge, (26, 26, 34), 1 + round(2 * lashes), 0.55 + 0.45 * lashes)
    crease = ellipse(x, EYE - 3, 17, 9 + 2 * eyelid, 195, 345)
    stroke(image, crease, person.skin * 0.6, 2, 0.3 + 0.6 * eyelid, 0.6)
    arch = ellipse(x, BROW + 9, 20, 10, 200, 340)
    stroke(image, arch, person.hair * 0.8, 2 + round(5 * brow), 0.5 + 0.4 * brow, 0.7)


def _draw_hair(image: np.ndarray, person: Person) -> None:
    """The hair on the head from ear to ear, down to the hairline or the fringe, and single strands."""
    side = person.half_width + 7
    edge, temple = 176 - 30 * person.recession + 30 * person.fringe, 218 - 40 * person.recession
    top = ellipse(CX, 218, side, 218 - SKULL + 14, 180, 360)
    bay = (CX + side * 0.45, edge + 4 - 12 * person.recession)
    hairline = [(CX + side - 9, temple + 24), (CX + side * 0.78, temple - 14), bay, (CX + 6, edge)]
    mirrored = [(2 * CX - x, y + 3) for x, y in reversed(hairline)]
    fill(image, np.concatenate([top, hairline, mirrored]), person.hair, blur=1.5)
    rng = np.random.default_rng(person.seed + 1)
    for _ in range(14):
        x = rng.uniform(-0.8, 0.8)
        strand = [(CX + x * side * 0.5, SKULL + 4), (CX + x * side, 150 + 42 * x * x)]
        stroke(image, strand, person.hair * rng.uniform(0.7, 1.3) + 6, 2, 0.5, 0.8)


def _photograph(image: np.ndarray, half_width: float, rng: np.random.Generator) -> Drawn:
    """The image with random pose, light, noise and focus, and where the face is then."""
    pose = cv2.getRotationMatrix2D((CX, 260), rng.normal(0, 5), rng.uniform(0.88, 1.14))
    pose[:, 2] += np.array([rng.uniform(-16, 16), rng.uniform(-22, 22)])
    image = cv2.warpAffine(image, pose, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    coarse = rng.uniform(0.72, 1.22) + rng.normal(0, 0.13, (3, 3, 1)) + rng.normal(0, 0.03, (3, 3, 3))
    light = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    noise = rng.normal(0, rng.uniform(1, 6), (HEIGHT // 2, WIDTH // 2, 1)).astype(np.float32)
    lit = image * light.astype(np.float32) + cv2.resize(noise, (WIDTH, HEIGHT))[..., None]
    image = np.clip(lit, 0, 255).astype(np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.4)) if rng.random() < 0.3 else image
    x, y = pose @ np.array([[CX - half_width, CX + half_width] * 2, [SKULL, SKULL, CHIN, CHIN], [1] * 4])
    return image, box(x.min(), y.min(), x.max(), y.max())


def box(left: float, top: float, right: float, bottom: float) -> Box:
    """What of it lies within the frame: left, top, width, height in whole pixels."""
    first = max(0, round(left)), max(0, round(top))
    return *first, min(WIDTH, round(right)) - first[0], min(HEIGHT, round(bottom)) - first[1]
