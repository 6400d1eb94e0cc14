"""Images per second of each augmentation at 360 x 200 on one thread, and of our fog beside the library's.

python tests/benchmarks/augmentations.py
"""

import time

import albumentations
import numpy as np

from core import augment

SIZE, SECONDS = (360, 200), 1.0


def per_second(transform: albumentations.Compose, image: np.ndarray) -> float:
    for each in transform.transforms:
        each.p = 1.0
    start, number = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        augment.apply(transform, image, number)
        number += 1
    return number / (time.perf_counter() - start)


def main() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (512, 384, 3), np.uint8)
    crop = np.ascontiguousarray(frame[: SIZE[0], : SIZE[1]])
    for name in augment.NAMES:
        print(
            f"{name:<20} {per_second(augment.pipeline((name,), SIZE), frame if name == 'random_crop' else crop):8.0f}"
        )
    ours = augment.pipeline(("fog",), SIZE)
    theirs = albumentations.Compose([albumentations.RandomFog(fog_coef_range=(0.3, 0.6), alpha_coef=0.08)])
    fast, slow = per_second(ours, crop), per_second(theirs, crop)
    print(f"fog, ours {fast:.1f}, the library's {slow:.1f}: {fast / slow:.1f} times")


if __name__ == "__main__":
    main()
