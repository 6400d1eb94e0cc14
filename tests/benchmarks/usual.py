"""The usual way, written plainly, as most people write it: each item read, cropped, augmented, normalised anew."""

from __future__ import annotations

import albumentations
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2

CROP = (360, 200)
#: ImageNet's, of values from 0 to 1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def transforms(augmented: bool, normalise: bool = True) -> albumentations.Compose:
    """RGB uint8 (h, w, 3) -> tensor (3, 360, 200): float32, or without `normalise` what is left then, uint8."""
    drawn = [
        albumentations.RandomBrightnessContrast(0.2, 0.2),
        albumentations.HorizontalFlip(),
        albumentations.CLAHE((1, 4), (8, 8)),
        albumentations.Affine(
            translate_percent=(-0.06, 0.06),
            scale=(0.9, 1.1),
            rotate=(-20, 20),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.5,
        ),
    ]
    last = [*([albumentations.Normalize(MEAN, STD)] if normalise else []), ToTensorV2()]
    return albumentations.Compose([albumentations.CenterCrop(*CROP), *(drawn if augmented else []), *last])


class Usual(torch.utils.data.Dataset):
    """Item k: (image, label) of the file k; the image as `transforms` gives it, augmented where `augmented` is true."""

    def __init__(self, files: list[str], labels: np.ndarray, augmented: np.ndarray, normalise: bool = True):
        self.files, self.labels, self.augmented = files, labels, augmented
        self.plain, self.drawn = (transforms(way, normalise) for way in (False, True))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        image = cv2.cvtColor(cv2.imread(self.files[at]), cv2.COLOR_BGR2RGB)
        transform = self.drawn if self.augmented[at] else self.plain
        return transform(image=image)["image"], int(self.labels[at])


def loader(dataset: Usual, batch: int, workers: int = 2) -> torch.utils.data.DataLoader:
    """Workers with as many OpenCV threads as a process has that never asked, whatever their parent asked for."""
    return torch.utils.data.DataLoader(
        dataset, batch, shuffle=True, num_workers=workers, drop_last=True, worker_init_fn=_threads
    )


def _threads(_: int) -> None:
    cv2.setNumThreads(-1)
