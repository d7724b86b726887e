"""What Pillow makes of a file, checked by OpenCV where a library below Pillow says something.

Pillow knows depth, palettes and frames of formats that OpenCV 5.0.0 gets wrong without a word (AVIF
of 10 and 12 bits with alpha, a GIF's first frame, BMP of 5-6-5). pi-heif, below it, decodes HEIC.
"""

import warnings
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from tagger.imaging.decoder_messages import decoder_messages
from tagger.imaging.depth import to_8_bits
from tagger.imaging.headers import Header, open_image
from tagger.imaging.opencv_codec import with_opencv
from tagger.imaging.picture_error import PictureError
from tagger.imaging.profiles import lab_to_srgb
from tagger.imaging.stored import Stored, as_opencv
from tagger.machine import raise_machine_fault

T = TypeVar("T")

_SAME = 3.0
"""Of 255, on average: what two decoders may differ by."""


def with_pillow(header: Header, *, side: int = 0) -> Stored:
    """Return what Pillow makes of a file's first frame; of a JPEG at the smallest scale that is at
    least `side`.

    Where a library below Pillow says something, OpenCV must see the same picture.
    """
    stored, messages = loaded_by_pillow(header, _stored, side=side)
    if messages and not _is_what_opencv_sees(stored, header):
        said = messages.decode(errors="replace").splitlines()[0]
        raise PictureError(header.failure(), f"{header.format}: {said}", *header.upright_size)
    return stored


def _is_what_opencv_sees(stored: Stored, header: Header) -> bool:
    seen, _ = with_opencv(header.data, cv2.IMREAD_COLOR)
    if seen is None or stored.order != "RGB" or stored.pixels.shape != seen.shape:
        return False
    return float(cv2.absdiff(as_opencv(stored), np.asarray(seen, np.uint8)).mean()) <= _SAME


def loaded_by_pillow(
    header: Header, take: Callable[[Image.Image], T], *, side: int = 0
) -> tuple[T, bytes]:
    """Return what `take` makes of a file that Pillow has decoded, and what was said meanwhile."""
    try:
        with warnings.catch_warnings(), open_image(header.data) as image:
            warnings.simplefilter("ignore")
            if side:
                image.draft(image.mode, (side, side))
            with decoder_messages() as messages:
                image.load()
            return take(image), bytes(messages)
    except Exception as error:  # Pillow raises all sorts on damaged files
        raise_machine_fault(error)
        status = header.failure()
        raise PictureError(
            status, f"{header.format}: {_reason(status, error)}", *header.upright_size
        ) from error


def _reason(status: str, error: Exception) -> str:
    if status == "truncated":
        return "the file ends before the picture does"
    unknown = isinstance(error, UnidentifiedImageError) or not str(error)
    return "no decoder knows this kind of it" if unknown else str(error)


def _stored(image: Image.Image) -> Stored:
    """Return the pixels of a decoded Pillow image in one of few modes."""
    if image.format == "GIF":
        image = _on_its_canvas(image)
    mode = image.mode
    if mode in ("F", "I") or mode.startswith("I;16"):
        return Stored(to_8_bits(np.asarray(image)))
    if mode == "CMYK":
        return Stored(np.asarray(image), "CMYK")
    if mode == "LAB":
        return Stored(np.asarray(lab_to_srgb(image)), "RGB")
    if mode == "La":
        image = image.convert("LA")
        mode = "LA"
    if mode == "RGBa":
        return Stored(
            np.array(image.getdata(), np.uint8).reshape(*image.size[::-1], 4),
            "RGB",
            premultiplied=True,
        )
    transparent = mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return Stored(np.asarray(image.convert("RGBA" if transparent else "RGB")), "RGB")


def _on_its_canvas(image: Image.Image) -> Image.Image:
    """Return a GIF's first frame, transparent where its canvas is larger: Pillow paints that in
    some color."""
    frame = getattr(image, "dispose_extent", None) or (0, 0, *image.size)
    if frame == (0, 0, *image.size):
        return image
    canvas = Image.new("RGBA", image.size, (0, 0, 0, 0))
    canvas.paste(image.convert("RGBA").crop(frame), frame)
    return canvas
