"""The sizes of a network; no TensorFlow is needed to name them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """Sizes of a SmallerVGGNet; the defaults are the published ones, smaller ones make quick tests.

    Attributes
    ----------
    size : int
        Side of the input, in pixels.
    filters : tuple of int
        Of the three blocks.
    dense : int
        Units of the layer before the head.
    """

    size: int = 96
    filters: tuple[int, int, int] = (32, 64, 128)
    dense: int = 1024
