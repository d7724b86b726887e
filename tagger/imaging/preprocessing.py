"""How a bundle wants pictures read, as its preprocessing.json says, and which reader this program
has."""

from typing import Any, Literal, NamedTuple, Self

from schemas.bundle import FORMAT_VERSION, MIN_SIDE_FACTOR

READER = 2
"""The version of what `tagger.imaging.reader` makes of a file, whatever the settings: raise it when
a file's pixels, or whether it can be read at all, change. Rows that an earlier reader made are then
read again.

2: deep AVIF, JPEG 2000 and TIFF, HEIC, odd PNG metadata, JPEGs that are complete or cut without
saying so, XMP ignored.
"""


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
    """

    size: int
    profiles: Literal["sRGB", "ignored"] = "sRGB"
    min_side_factor: int = MIN_SIDE_FACTOR

    def to_json(self) -> dict[str, Any]:
        """Return the content of preprocessing.json."""
        profiles = {} if self.profiles == "ignored" else {"color_profiles": self.profiles}
        return {
            "format_version": FORMAT_VERSION,
            "size": self.size,
            "channels": "RGB",
            "resize": "area",
            "background": "white",
            "orientation": "exif",
            "scale": 1 / 255,
            "reduced_jpeg_decode": self.min_side_factor,
            **profiles,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the settings that a preprocessing.json stands for.

        Raises
        ------
        ValueError
            If it asks for anything that this reader does not do.
        """
        size = content["size"]
        factor = content["reduced_jpeg_decode"]
        if type(size) is not int or not 8 <= size <= 1024:
            raise ValueError(f"an input size of {size!r} makes no sense")
        if type(factor) is not int or not 1 <= factor <= 16:
            raise ValueError(f"reduced_jpeg_decode {factor!r} makes no sense")
        reading = cls(size, "sRGB" if "color_profiles" in content else "ignored", factor)
        if content != reading.to_json():
            raise ValueError(f"its preprocessing.json is not what this program can do: {content}")
        return reading
