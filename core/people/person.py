"""Who somebody is: traits that depend on age and gender only through noise, the same in all seven photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SKINS = np.array([(178, 205, 236), (150, 184, 222), (132, 170, 213), (115, 150, 196), (92, 126, 172)], float)
HAIRS = np.array([(28, 26, 30), (34, 40, 58), (40, 58, 86), (52, 80, 120), (26, 30, 44)], float)


@dataclass(frozen=True)
class Person:
    """Traits in [0, 1] unless a colour or a length; each depends on age and gender only through noise."""

    skin: np.ndarray
    hair: np.ndarray
    lips: np.ndarray
    half: float  # half the width of the face
    long_hair: bool
    fringe: float
    recession: float
    brow: float
    jaw: float  # 0 narrow, 1 square
    blush: float
    lashes: float
    stubble: float
    lines: np.ndarray  # forehead, glabella, crow's feet, bags, nose-to-mouth, neck
    spots: int
    lid: float
    glasses: float  # 0 for none, else how dark the frame is
    earrings: bool
    collar: int
    cloth: np.ndarray
    seed: int


def random_person(age: float, female: bool, rng: np.random.Generator) -> Person:
    """Subject of this true age in years; how old they look differs from it by a few years."""
    looks = age + rng.normal(0, 1.6)
    worn = float(np.clip((looks - 18) / 42, 0, 1.15))
    base = HAIRS[rng.integers(len(HAIRS))] + rng.normal(0, 6, 3)
    grey = 1 / (1 + np.exp(-(looks - 51 + rng.normal(0, 4)) / 3.5))
    if rng.random() < (0.35 if female else 0.1):
        grey, base = grey * 0.25, base + (6, 12, 26) * np.array(rng.random())
    skin = SKINS[rng.integers(len(SKINS))] + rng.normal(0, 7, 3) - worn * np.array([10, 9, 4])
    noise = rng.normal(0, 0.07, 6)
    return Person(
        skin=skin,
        hair=base * (1 - grey) + np.array([186, 184, 182]) * grey,
        lips=skin * 0.5
        + np.array([80, 74, 150]) * 0.5
        + (rng.normal(18, 10) if female else rng.normal(-4, 8)) * np.array([-0.3, -0.6, 1]),
        half=rng.normal(66 if female else 71, 3.2),
        long_hair=rng.random() < (0.82 - 0.2 * worn if female else 0.07),
        fringe=float(rng.random() < (0.5 if female else 0.3) * (1.25 - worn)) * rng.uniform(0.4, 1),
        recession=float(np.clip(rng.normal(0.1 + 0.25 * worn if female else 0.2 + 0.65 * worn, 0.14), 0, 1)),
        brow=float(np.clip(rng.normal(0.3 if female else 0.78, 0.14) - 0.1 * worn, 0.08, 1)),
        jaw=float(np.clip(rng.normal(0.25 if female else 0.75, 0.17), 0, 1)),
        blush=float(np.clip(rng.normal(0.75 - 0.65 * worn + 0.2 * female, 0.15), 0, 1)),
        lashes=float(np.clip(rng.normal(0.75 if female else 0.1, 0.16), 0, 1)),
        stubble=0.0 if female else float(np.clip(rng.normal(0.3, 0.25), 0, 1)),
        lines=np.clip(
            (worn - np.array([0.2, 0.3, 0.22, 0.1, 0.05, 0.35])) * np.array([1.35, 1.4, 1.35, 1.15, 1.1, 1.45]) + noise,
            0,
            1.1,
        ),
        spots=int(rng.poisson(1 + 9 * max(0.0, worn - 0.55))),
        lid=float(np.clip(rng.normal(0.1 + 0.7 * worn, 0.12), 0, 1)),
        glasses=float(rng.random() < 0.12 + 0.3 * worn) * rng.uniform(0.4, 1),
        earrings=bool(rng.random() < (0.4 if female else 0.03)),
        collar=int(rng.choice(3, p=(0.5, 0.3, 0.2) if female else (0.3, 0.35, 0.35))),
        cloth=rng.uniform(25, 225, 3),
        seed=int(rng.integers(2**31)),
    )
