"""The augmentations of one image by name, drawn by its seed alone; loader.py applies them to the rows of a batch."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    import albumentations

Augmentation = Literal[
    "random_crop",
    "center_crop",
    "rotate",
    "brightness_contrast",
    "flip",
    "blur",
    "fog",
    "color_jitter",
    "clahe",
    "elastic",
    "grid_distortion",
    "shift_scale_rotate",
]
Augmented = Literal["copies", "all", "none"]
NAMES = get_args(Augmentation)
#: What came out of all that was tried, in the order of the final recipe.
FINAL_RECIPE: tuple[Augmentation, ...] = ("brightness_contrast", "flip", "clahe", "shift_scale_rotate")


def pipeline(names: tuple[str, ...], size: tuple[int, int]) -> "albumentations.Compose":
    """uint8 (h, w, 3) -> uint8 (*size, 3); crops and rotation always happen, the others with the usual
    probability of 0.5.

    Whatever is moved is filled by reflection: a black border would mark the rows that are copies.
    """
    import albumentations as A
    import cv2

    from core.images import fast_transforms

    cv2.setNumThreads(0)  # workers are the parallelism; threads under each of them would fight
    mirror = cv2.BORDER_REFLECT_101
    made: dict[str, Callable[[], albumentations.BasicTransform]] = {
        "random_crop": lambda: A.RandomCrop(*size, p=1),
        "center_crop": lambda: A.CenterCrop(*size, p=1),
        "rotate": lambda: A.Rotate((-20, 20), border_mode=mirror),
        "brightness_contrast": lambda: A.RandomBrightnessContrast(0.2, 0.2),
        "flip": lambda: A.HorizontalFlip(),
        "blur": lambda: A.Blur((3, 7)),
        "fog": lambda: fast_transforms.RandomFog(alpha_coef=0.08, fog_coef_range=(0.3, 0.6)),
        "color_jitter": lambda: A.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.05, 0.05)),
        "clahe": lambda: fast_transforms.CLAHE(clip_limit=(1, 4), tile_grid_size=(8, 8)),
        "elastic": lambda: A.ElasticTransform(alpha=150, sigma=6, border_mode=mirror),
        "grid_distortion": lambda: A.GridDistortion(num_steps=5, distort_limit=(-0.3, 0.3), border_mode=mirror),
        "shift_scale_rotate": lambda: fast_transforms.Affine(
            (0.9, 1.1), (-0.06, 0.06), rotate=(-20, 20), border_mode=mirror
        ),
    }
    chosen = [made[name]() for name in names]
    for each, name in zip(chosen, names, strict=True):
        each.p = 1.0 if name.endswith("_crop") or name == "rotate" else 0.5
    return A.Compose(chosen, strict=True)


def apply(transform: "albumentations.Compose", image: np.ndarray, seed: int) -> np.ndarray:
    """`image` as `seed` draws it. Without a seed of its own albumentations repeats itself in every worker and epoch.

    Its set_random_seed would give every augmentation the same stream: all of them would happen, or none.
    """
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return transform(image=image)["image"]
