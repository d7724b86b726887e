"""What OpenCV makes of a file, and what it says meanwhile: JPEG, PNG and WebP, the bulk of every
catalog, and TIFF and JPEG 2000 of more than 8 bits, which Pillow cuts off or wraps round.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tagger.imaging.decoder_messages import decoder_messages
from tagger.imaging.headers import Header
from tagger.imaging.picture_error import PictureError
from tagger.machine import raise_machine_fault

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def with_opencv(data: bytes, flags: int) -> tuple[npt.NDArray[Any] | None, bytes]:
    """Return pixels as stored, or None, and what the decoder said meanwhile."""
    try:
        with decoder_messages() as messages:
            pixels = cv2.imdecode(
                np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION
            )
    except cv2.error as error:
        raise_machine_fault(error)
        return None, str(error.err).encode()
    except OSError as error:
        raise_machine_fault(error)
        raise
    return pixels, bytes(messages)


def unchanged(data: bytes, header: Header) -> npt.NDArray[Any]:
    """Return what OpenCV makes of a file, in the file's own depth; nobody else is asked."""
    pixels, messages = with_opencv(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or messages:
        reason = f"{header.format}: no decoder knows this kind of it"
        raise PictureError(header.failure(), reason, *header.upright_size)
    return pixels
