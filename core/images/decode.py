"""One file -> pixels as every part of the program sees them: RGB, (height, width, 3) uint8; or a refusal by name."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.images.boxes import Boxes
from core.refusal import Refusal, first_line

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
#: What may say that a JPEG is to be turned, and how many bytes from the start it must lie.
EXIF, EXIF_WITHIN = b"Exif\0\0", 1 << 17


@dataclass(frozen=True)
class Framing:
    """What a net sees of a file: the centre crop (height, width) in pixels of the photograph, shrunk by `scale`.

    `whole` keeps the whole frame, shrunk alike, for training rows that are cropped at random. With `boxes` the crop is
    that of the photograph's box, brought to the same size.
    """

    crop: tuple[int, int]
    scale: float = 1.0
    whole: bool = False
    boxes: Boxes | None = None

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
    Refuses: the file cannot be decoded whole, is smaller than the crop, or has no box within it."""
    import cv2

    image = decode(file)
    if framing.boxes:
        crop = image[framing.boxes.crop(file, image.shape[:2], framing.crop)]
        height, width = framing.size
        how = cv2.INTER_AREA if crop.shape[0] >= height else cv2.INTER_LINEAR
        return cv2.resize(crop, (width, height), interpolation=how)
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
    """(height, width, 3) uint8 RGB; transparent pixels lie over white, as people see them.

    OpenCV fills what a damaged file lacks with grey and says so only on stderr. So a JPEG is decoded by the library
    that tells of it, a PNG's checksums are looked at, and a file without its end mark is given to Pillow.

    Refuses: a file that cannot be read, is damaged, or holds other numbers than 8 or 16 bits.
    """
    import cv2

    try:
        data = file.read_bytes()
    except OSError as error:
        raise Refusal(f"{file}: cannot be read ({error.strerror})") from None
    if data.startswith(JPEG_START) and (image := _whole_jpeg(file, data)) is not None:
        return image
    is_png = data.startswith(PNG_START)
    if not (is_png and _is_transparent(file, data)) and data.rstrip(b"\0").endswith(PNG_END if is_png else JPEG_END):
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        except cv2.error:
            image = None  # too large for OpenCV
        if image is not None:
            return image
    return _by_pillow(file)


def _whole_jpeg(file: Path, data: bytes) -> np.ndarray | None:
    """The same bytes as OpenCV's. None: for others to decode, because it is turned by its EXIF data, of other colours,
    or simplejpeg is not installed. Refuses: what the decoder warns of."""
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    try:
        image = decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        try:
            decode_jpeg(data, "RGB", strict=False)
        except ValueError:
            return None
        raise _damaged(file, first_line(error)) from None
    return None if EXIF in data[:EXIF_WITHIN] else image


def _is_transparent(file: Path, data: bytes) -> bool:
    """Whether a PNG has an alpha channel or a transparent colour. Refuses one whose checksums do not agree."""
    at, kinds = len(PNG_START), set()
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 8 + length
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise _damaged(file, "a checksum of the PNG does not agree")
        kinds.add(kind)
        at = end + 4
        if kind == b"IEND":
            break
    colour_type = data[25] if len(data) > 25 else 0
    return colour_type in (4, 6) or b"tRNS" in kinds


def _by_pillow(file: Path) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"its pixels are of mode {image.mode}; save it with 8 bits")
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError) as error:
        raise _damaged(file, first_line(error)) from None


def _damaged(file: Path, why: str) -> Refusal:
    return Refusal(f"{file}: cannot be decoded whole ({why}); restore it, or remove it to train without")
