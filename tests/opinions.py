"""What other decoders make of a file: libvips, Pillow, FFmpeg, imagecodecs, each at 96 x 96, in
sRGB, over white."""

import io
import re
import struct
import warnings
from collections.abc import Callable
from typing import Any

import av
import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image, ImageCms

from tagger.arrays import Pixels

SIDE = 96
_NOT_OURS = (b"\xff\xd8", b"\x89PNG")


def opinions(data: bytes) -> dict[str, Pixels]:
    """Return uint8 (96, 96, 3) RGB by decoder, of those that read the file whole."""
    # Pillow is no other decoder where it is ours.
    decoders: dict[str, Callable[[bytes], Pixels]] = {"libvips": by_libvips}
    if data.startswith(_NOT_OURS) or data[8:12] == b"WEBP":
        decoders["pillow"] = by_pillow
    if data[4:8] == b"ftyp" and b"avif" not in data[:64] and b"avis" not in data[:64]:
        decoders = {"ffmpeg": by_ffmpeg}  # this libvips has no decoder for HEIC
    if data[4:8] == b"jP  ":
        decoders = {"imagecodecs": jpeg_2000_by_imagecodecs}
    if data[:2] == b"BM":
        decoders = {"opencv": by_opencv}  # libvips reads none
    found = {}
    for name, decoder in decoders.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name] = resized(decoder(data))
        except Exception:  # noqa: S112 - each raises all sorts: it has no opinion
            continue
    return found


def resized(pixels: Pixels) -> Pixels:
    """Return uint8 (96, 96, 3)."""
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def difference(one: Pixels, other: Pixels) -> float:
    """Return the mean absolute difference, of 255."""
    return float(np.abs(one.astype(int) - other).mean())


def by_libvips(data: bytes) -> Pixels:
    """Return what libvips makes of a file, which it reads to its end."""
    image = pyvips.Image.new_from_buffer(data, "", fail_on="truncated").autorot()
    alpha = None
    if image.hasalpha():
        image, alpha = image[: image.bands - 1], image[image.bands - 1]
    try:
        image = (
            image.icc_transform("srgb", black_point_compensation=True, depth=8)
            if image.get_typeof("icc-profile-data")
            else image.colourspace("srgb")
        )
    except pyvips.Error:  # a profile that cannot be used
        image = image.colourspace("srgb")
    if alpha is not None:
        deep = alpha.format == "ushort"
        image = image.bandjoin((alpha / 257 if deep else alpha).cast("uchar")).flatten(
            background=255
        )
    pixels = image.cast("uchar").numpy()
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] < 3:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def by_pillow(data: bytes) -> Pixels:
    """Return what Pillow makes of a file, its profile by LittleCMS, turned as Exif says."""
    with Image.open(io.BytesIO(data)) as image:
        orientation = _exif_orientation(image)
        profile, kind = image.info.get("icc_profile"), image.format
        image.info.pop("xmp", None)
        image.load()
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) / 257 + 0.5).astype(np.uint8))
        if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        image = image if image.mode == "CMYK" else image.convert("RGB")
        if profile:
            image = _converted(image, profile)
        image = image.convert("RGB")
        if alpha is not None:
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=alpha)
            image = white
        pixels = np.asarray(image)
    turn = {5, 6, 7, 8}
    if kind == "TIFF":  # Pillow turns it itself
        return pixels
    if orientation in turn:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def by_opencv(data: bytes) -> Pixels:
    """Return what OpenCV makes of a file."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("OpenCV cannot read it")
    return np.ascontiguousarray(pixels[..., ::-1])


def by_ffmpeg(data: bytes) -> Pixels:
    """Return what FFmpeg makes of the first picture of an HEIC file, if it is one picture, perhaps
    with alpha."""
    size = _heif_size(data)
    with av.open(io.BytesIO(data)) as container:
        if len(container.streams.video) > 2:
            raise ValueError("a picture of many tiles")
        planes = []
        for stream in container.streams.video:
            container.seek(0)
            planes.append(
                next(container.decode(stream)).to_ndarray(format="rgb24" if not planes else "gray")
            )
    width, height = size
    pixels = planes[0][:height, :width]
    if len(planes) == 2:
        share = planes[1][:height, :width, None] / 255
        pixels = (pixels * share + 255 * (1 - share) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def jpeg_2000_by_imagecodecs(data: bytes) -> Pixels:
    """Return what imagecodecs makes of a JPEG 2000: this libvips cannot, and Pillow makes white
    black."""
    at = data.index(b"\xff\x4f\xff\x51") + 42
    return _over_white(imagecodecs.jpeg2k_decode(data), bits=(data[at] & 0x7F) + 1)


def _over_white(pixels: npt.NDArray[Any], *, bits: int) -> Pixels:
    """Return pixels of any depth and number of channels as RGB over white."""
    pixels = (pixels / (2**bits - 1) * 255 + 0.5).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    alpha = pixels[..., -1:] / 255 if pixels.shape[2] in (2, 4) else np.ones((*pixels.shape[:2], 1))
    colors = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return np.asarray(colors * alpha + 255 * (1 - alpha) + 0.5, np.uint8)


def _heif_size(data: bytes) -> tuple[int, int]:
    """Return the smallest width and height that an `ispe` or `clap` box gives: ISO/IEC 23008-12,
    6.5.3 and 6.5.9."""
    sizes = [
        struct.unpack_from(">II", data, match.end() + 4) for match in re.finditer(b"ispe", data)
    ]
    for match in re.finditer(b"clap", data):
        width, width_by, height, height_by = struct.unpack_from(">4I", data, match.end())
        sizes.append((width // width_by, height // height_by))
    return min(width for width, _ in sizes), min(height for _, height in sizes)


def _exif_orientation(image: Image.Image) -> int:
    try:
        image.info.pop("xmp", None)
        image.info.pop("XML:com.adobe.xmp", None)
        return int(image.getexif().get(274, 1))
    except Exception:
        return 1


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image
