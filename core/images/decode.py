"""One file -> pixels as every part of the program sees them: RGB, (height, width, 3) uint8; or a refusal by name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.refusal import Refusal, first_line

JPEG_START, JPEG_END, PNG_END = b"\xff\xd8", b"\xff\xd9", b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class Framing:
    """What a net sees of a file: the centre crop (height, width) in pixels of the photograph, shrunk by `scale`.

    `whole` keeps the whole frame, shrunk alike, for training rows that are cropped at random.
    """

    crop: tuple[int, int]
    scale: float = 1.0
    whole: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that a net sees."""
        return self.scaled(self.crop)

    def scaled(self, size: tuple[int, ...]) -> tuple[int, int]:
        """(height, width) at this scale."""
        return max(1, round(size[0] * self.scale)), max(1, round(size[1] * self.scale))


def centre_crop(frame: tuple[int, ...], size: tuple[int, int]) -> tuple[slice, slice]:
    """The centre crop of a frame (height, width), as slices."""
    top, left = (frame[0] - size[0]) // 2, (frame[1] - size[1]) // 2
    return slice(top, top + size[0]), slice(left, left + size[1])


def prepare(file: Path, framing: Framing) -> np.ndarray:
    """One file as the store keeps it. Training, held-out, test and any later image go through here alike.
    Refuses: the file cannot be decoded whole, or is smaller than the crop."""
    import cv2

    image = decode(file)
    height, width = framing.crop
    if image.shape[0] < height or image.shape[1] < width:
        shape = f"{image.shape[0]}x{image.shape[1]}"
        raise Refusal(f"{file}: is {shape}, smaller than the crop {height}x{width}; give a smaller --crop HEIGHT,WIDTH")
    if not framing.whole:
        image = image[centre_crop(image.shape, framing.crop)]
    if framing.scale != 1:
        height, width = framing.scaled(image.shape)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image)


def decode(file: Path) -> np.ndarray:
    """(height, width, 3) uint8 RGB.

    OpenCV fills what a truncated file lacks with grey and says so only on stderr; so one without its end mark is given
    to Pillow, which refuses it.
    """
    import cv2

    try:
        data = file.read_bytes()
    except OSError as error:
        raise Refusal(f"{file}: cannot be read ({error.strerror})") from None
    ends = JPEG_END if data.startswith(JPEG_START) else PNG_END
    if data.rstrip(b"\0").endswith(ends):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            return image
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            return np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        cause = first_line(error)
        raise Refusal(f"{file}: cannot be decoded ({cause}); restore it, or remove it to train without") from None
