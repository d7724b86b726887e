"""How a bundle wants pictures read, as its preprocessing.json says, and which reader this program
has."""

from typing import Literal, NamedTuple, Self

from msgspec import UNSET

from schemas.bundle import MIN_SIDE_FACTOR, Preprocessing
from schemas.record import parse

READER = 2
"""The version of what `tagger.imaging.reader` makes of a file, whatever the settings: raise it when
a file's pixels, or whether it can be read at all, change. Rows that an earlier reader made are then
read again.

2: deep AVIF, JPEG 2000 and TIFF, HEIC, odd PNG metadata, JPEGs that are complete or cut without
saying so, XMP ignored.
"""

_REFUSED = "its preprocessing.json is not what this program can do"
_DO = "use the version that saved it"


class Reading(NamedTuple):
    """The settings of the reader.

    Attributes
    ----------
    size : int
        Side of the square that comes back, in pixels.
    profiles : str
        `sRGB`: pictures with another color profile are converted. `ignored`: as bundles before
        these did.
    min_side_factor : int
        A reduced JPEG decode keeps the short side at least this many times `size`.
    progressive : str
        `coarse`: progressive JPEGs are decoded without fine detail that a reduced size averages
        away. `all`: with it, as bundles before these did.
    """

    size: int
    profiles: Literal["sRGB", "ignored"] = "sRGB"
    min_side_factor: int = MIN_SIDE_FACTOR
    progressive: Literal["coarse", "all"] = "coarse"

    def to_record(self) -> Preprocessing:
        """Return the content of preprocessing.json."""
        return Preprocessing(
            size=self.size,
            channels="RGB",
            resize="area",
            background="white",
            orientation="exif",
            scale=1 / 255,
            reduced_jpeg_decode=self.min_side_factor,
            color_profiles=UNSET if self.profiles == "ignored" else self.profiles,
            progressive_jpeg=UNSET if self.progressive == "all" else self.progressive,
        )

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Return the settings that the text of a preprocessing.json stands for.

        Raises
        ------
        ValueError
            If it asks for anything that this reader does not do.
        """
        try:
            record = parse(text, Preprocessing)
        except ValueError as error:
            raise ValueError(f"{_REFUSED}: {error}; {_DO}") from error
        if record.scale != 1 / 255:
            raise ValueError(f"{_REFUSED}: scale is 1/255 here; received {record.scale!r}; {_DO}")
        profiles = "ignored" if record.color_profiles is UNSET else record.color_profiles
        progressive = "all" if record.progressive_jpeg is UNSET else record.progressive_jpeg
        return cls(record.size, profiles, record.reduced_jpeg_decode, progressive)
