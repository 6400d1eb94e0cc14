"""The augmentations by name, seeded per image: neither the number of workers nor the process decides what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    import albumentations

Augmentation = Literal["brightness_contrast", "flip", "clahe", "shift_scale_rotate"]
Augmented = Literal["copies", "all", "none"]
NAMES = get_args(Augmentation)


def pipeline(names: tuple[str, ...]) -> albumentations.Compose:
    """uint8 (h, w, 3) -> uint8 of the same shape, each named augmentation with its usual probability of 0.5."""
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # workers are the parallelism; threads under each of them would fight
    made: dict[str, Any] = {
        "brightness_contrast": lambda: A.RandomBrightnessContrast(0.2, 0.2, p=0.5),
        "flip": lambda: A.HorizontalFlip(p=0.5),
        "clahe": lambda: A.CLAHE(clip_limit=(1, 4), tile_grid_size=(8, 8), p=0.5),
        "shift_scale_rotate": lambda: A.Affine(
            translate_percent=(-0.06, 0.06),
            scale=(0.9, 1.1),
            rotate=(-20, 20),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.5,
        ),
    }
    return A.Compose([made[name]() for name in names], strict=True)


def apply(transform: albumentations.Compose, image: np.ndarray, seed: int) -> np.ndarray:
    """`image` as `seed` draws it. Without a seed of its own albumentations repeats itself in every worker and epoch."""
    transform.set_random_seed(seed)
    return transform(image=image)["image"]
