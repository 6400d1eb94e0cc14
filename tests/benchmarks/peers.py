"""Other loaders of the same rows, each as its own users write it. Each sends uint8 from its workers.

timm         Pillow decodes; the transforms of tests/benchmarks/usual.py; timm's `create_loader` as its training script
             calls it: workers live on between epochs, and whole batches are normalised to float32 where they arrive.
             OpenCV starts no threads in those workers.
torchvision  decode_image, or OpenCV where torchvision has it no longer; v2's transforms on uint8 tensors, left so.
on_device    workers decode and crop alone; v2's transforms run on whole batches on the device; they stay uint8.

v2 lacks two of the augmentations. RandomEqualize stands for CLAHE: one histogram for each channel, where CLAHE has one
for each tile. What RandomAffine moves in is black and not reflected, by fill=None, which saves it a mask. On a whole
batch v2 draws once: all its images are turned alike, which is less work than a draw for each.
"""

from collections.abc import Callable, Iterator
from functools import partial

import albumentations
import cv2
import numpy as np
import timm.data
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision.transforms import v2

from tests.benchmarks import usual

try:
    from torchvision.io import ImageReadMode, decode_image
except ImportError:  # it is deprecated for TorchCodec's
    decode_image = None

Images = Callable[[], Iterator[torch.Tensor]]
Epoch = Callable[[], Iterator[tuple[torch.Tensor, torch.Tensor]]]


def ways(
    files: list[str], labels: np.ndarray, augmented: np.ndarray, batch: int, workers: int, device: torch.device
) -> dict[str, Images]:
    """Epochs of images on `device` by the usual way and by each peer; augmented there only where it is a GPU."""
    usually = usual.loader(usual.Usual(files, labels, augmented), batch, workers)
    made = {"timm": timm_way, "torchvision v2": torchvision_way}
    if device.type == "cuda" and augmented.any():
        made["torchvision v2 on the GPU"] = on_device
    epochs = {name: make(files, labels, augmented, batch, workers, device) for name, make in made.items()}

    def images(epoch: Epoch) -> Images:
        return lambda: (made.to(device) for made, _ in epoch())

    return {"usual": images(lambda: iter(usually)), **{name: images(epoch) for name, epoch in epochs.items()}}


def timm_way(
    files: list[str], labels: np.ndarray, augmented: np.ndarray, batch: int, workers: int, device: torch.device
) -> Epoch:
    """Epochs of (images float32, labels)."""
    parts: list[Dataset] = []
    for way in (False, True):
        rows = np.flatnonzero(augmented == way)
        if len(rows):
            reader = [(files[row], int(labels[row])) for row in rows]
            transform = partial(_of_pillow, usual.transforms(way, normalise=False))
            parts.append(timm.data.ImageDataset("", reader, transform=transform))
    # the transform that timm makes for a dataset is set on the whole, and its parts keep their own
    loader = timm.data.create_loader(
        ConcatDataset(parts),
        (3, *usual.CROP),
        batch,
        is_training=True,
        mean=usual.MEAN,
        std=usual.STD,
        num_workers=workers,
        device=device,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    return lambda: iter(loader)


def _of_pillow(transform: albumentations.Compose, image: Image.Image) -> torch.Tensor:
    return transform(image=np.asarray(image))["image"]


def drawn() -> v2.Transform:
    """uint8 (..., 3, h, w) -> the same, augmented: once for all its images."""
    moved = v2.RandomAffine(20, (0.06, 0.06), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR, fill=None)
    lit = v2.RandomApply([v2.ColorJitter(brightness=0.2, contrast=0.2)], p=0.5)
    return v2.Compose([lit, v2.RandomHorizontalFlip(), v2.RandomEqualize(), v2.RandomApply([moved], p=0.5)])


def decoded(file: str) -> torch.Tensor:
    """RGB uint8 (3, h, w)."""
    if decode_image:
        return decode_image(file, ImageReadMode.RGB, apply_exif_orientation=True)
    return torch.from_numpy(cv2.cvtColor(cv2.imread(file), cv2.COLOR_BGR2RGB)).permute(2, 0, 1)


class Tensors(Dataset):
    """Item k: (image uint8 (3, 360, 200), label, whether row k is augmented); the image is so unless `crops_alone`."""

    def __init__(self, files: list[str], labels: np.ndarray, augmented: np.ndarray, crops_alone: bool = False):
        self.files, self.labels, self.augmented, self.crops_alone = files, labels, augmented, crops_alone
        self.crop, self.drawn = v2.CenterCrop(usual.CROP), drawn()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int, bool]:
        image = self.crop(decoded(self.files[at]))
        augmented = bool(self.augmented[at])
        return self.drawn(image) if augmented and not self.crops_alone else image, int(self.labels[at]), augmented


def torchvision_way(
    files: list[str], labels: np.ndarray, augmented: np.ndarray, batch: int, workers: int, device: torch.device
) -> Epoch:
    """Epochs of (images uint8, labels)."""
    loader = _loader(Tensors(files, labels, augmented), batch, workers, device)
    return lambda: ((images.to(device, non_blocking=True), label) for images, label, _ in loader)


def on_device(
    files: list[str], labels: np.ndarray, augmented: np.ndarray, batch: int, workers: int, device: torch.device
) -> Epoch:
    """Epochs of (images uint8, labels), augmented on `device`."""
    loader, transform = _loader(Tensors(files, labels, augmented, True), batch, workers, device), drawn()

    def epoch() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for images, label, chosen in loader:
            images = images.to(device, non_blocking=True)
            where = chosen.nonzero()[:, 0].to(device, non_blocking=True)
            if len(where):
                images[where] = transform(images[where])
            yield images, label

    return epoch


def _loader(dataset: Tensors, batch: int, workers: int, device: torch.device) -> DataLoader:
    pinned = device.type == "cuda"
    return DataLoader(dataset, batch, shuffle=True, num_workers=workers, drop_last=True, pin_memory=pinned)
