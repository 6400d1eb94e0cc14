"""The traits of a drawn person. They are the same in all seven images, and show age and gender only with noise."""

from dataclasses import dataclass

import numpy as np

#: Colours of skin and hair, BGR.
SKINS = np.array([(178, 205, 236), (150, 184, 222), (132, 170, 213), (115, 150, 196), (92, 126, 172)], float)
HAIRS = np.array([(28, 26, 30), (34, 40, 58), (40, 58, 86), (52, 80, 120), (26, 30, 44)], float)


@dataclass(frozen=True)
class Person:
    """Colours are (3,) BGR; a trait without a unit is a strength from 0 to about 1."""

    skin: np.ndarray
    hair: np.ndarray
    lips: np.ndarray
    half_width: float  # half the width of the face, in pixels
    long_hair: bool
    fringe: float
    recession: float  # of the hairline
    brow: float
    jaw: float  # 0 narrow, 1 square
    blush: float
    lashes: float
    stubble: float
    wrinkles: np.ndarray  # (6,): forehead, between the brows, beside and below the eyes, nose to mouth, neck
    spots: int
    eyelid: float  # how far it hangs
    glasses: float  # 0 for none, else how dark the frame is
    earrings: bool
    collar: int
    clothes: np.ndarray
    seed: int  # of where spots and strands of hair are


def random_person(age: float, female: bool, rng: np.random.Generator) -> Person:
    """A random person of this age in years; the apparent age differs from it by a few years."""
    apparent = age + rng.normal(0, 1.6)
    ageing = float(np.clip((apparent - 18) / 42, 0, 1.15))
    base = HAIRS[rng.integers(len(HAIRS))] + rng.normal(0, 6, 3)
    grey = 1 / (1 + np.exp(-(apparent - 51 + rng.normal(0, 4)) / 3.5))
    if rng.random() < (0.35 if female else 0.1):  # dyed
        grey, base = grey * 0.25, base + (6, 12, 26) * np.array(rng.random())
    skin = SKINS[rng.integers(len(SKINS))] + rng.normal(0, 7, 3) - ageing * np.array([10, 9, 4])
    onset, rate = np.array([(0.2, 0.3, 0.22, 0.1, 0.05, 0.35), (1.35, 1.4, 1.35, 1.15, 1.1, 1.45)])
    wrinkles = (ageing - onset) * rate + rng.normal(0, 0.07, 6)
    redness = rng.normal(18, 10) if female else rng.normal(-4, 8)
    return Person(
        skin=skin,
        hair=base * (1 - grey) + np.array([186, 184, 182]) * grey,
        lips=skin * 0.5 + np.array([80, 74, 150]) * 0.5 + redness * np.array([-0.3, -0.6, 1]),
        half_width=rng.normal(66 if female else 71, 3.2),
        long_hair=rng.random() < (0.82 - 0.2 * ageing if female else 0.07),
        fringe=float(rng.random() < (0.5 if female else 0.3) * (1.25 - ageing)) * rng.uniform(0.4, 1),
        recession=float(np.clip(rng.normal(0.1 + 0.25 * ageing if female else 0.2 + 0.65 * ageing, 0.14), 0, 1)),
        brow=float(np.clip(rng.normal(0.3 if female else 0.78, 0.14) - 0.1 * ageing, 0.08, 1)),
        jaw=float(np.clip(rng.normal(0.25 if female else 0.75, 0.17), 0, 1)),
        blush=float(np.clip(rng.normal(0.75 - 0.65 * ageing + 0.2 * female, 0.15), 0, 1)),
        lashes=float(np.clip(rng.normal(0.75 if female else 0.1, 0.16), 0, 1)),
        stubble=0.0 if female else float(np.clip(rng.normal(0.3, 0.25), 0, 1)),
        wrinkles=np.clip(wrinkles, 0, 1.1),
        spots=int(rng.poisson(1 + 9 * max(0.0, ageing - 0.55))),
        eyelid=float(np.clip(rng.normal(0.1 + 0.7 * ageing, 0.12), 0, 1)),
        glasses=float(rng.random() < 0.12 + 0.3 * ageing) * rng.uniform(0.4, 1),
        earrings=bool(rng.random() < (0.4 if female else 0.03)),
        collar=int(rng.choice(3, p=(0.5, 0.3, 0.2) if female else (0.3, 0.35, 0.35))),
        clothes=rng.uniform(25, 225, 3),
        seed=int(rng.integers(2**31)),
    )
