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


class Usual(torch.utils.data.Dataset):
    """Item k: (image float32 (3, 360, 200), label), of the file k; augmented where `augmented` is true.

    With `normalise` false the image is what is left when Normalize is: uint8.
    """

    def __init__(self, files: list[str], labels: np.ndarray, augmented: np.ndarray, normalise: bool = True):
        self.files, self.labels, self.augmented = files, labels, augmented
        last = [*([albumentations.Normalize(MEAN, STD)] if normalise else []), ToTensorV2()]
        self.plain = albumentations.Compose([albumentations.CenterCrop(*CROP), *last])
        self.drawn = albumentations.Compose(
            [
                albumentations.CenterCrop(*CROP),
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
                *last,
            ]
        )

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
