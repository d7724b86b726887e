"""How good sets of about the same size and number of labels became: what was measured, no promise.

The figures are those of tests/benchmarks/README.md, and a test holds the two together.
"""

from dataclasses import dataclass
from math import log

_FAR = 2.5
"""A set with more than so many times the labels, or pictures per label, or less, is not similar."""

_SHOWN = 3


@dataclass(frozen=True)
class Measured:
    """One group of a set that a network was trained on.

    Attributes
    ----------
    what : str
        The set, in words.
    pictures, labels : int
        Of the set, for training and testing together; of the group.
    low, high : float
        How many of 100 test pictures it had right: its likeliest label, or the whole answer.
    """

    what: str
    pictures: int
    labels: int
    low: float
    high: float

    @property
    def per_label(self) -> float:
        """Return pictures per label."""
        return self.pictures / self.labels


MEASURED = (
    Measured("photographs, color", 545, 6, 89.9, 89.9),
    Measured("photographs, garment", 545, 5, 80.7, 80.7),
    Measured("photographs and 200 corrections, color", 745, 6, 92.3, 92.5),
    Measured("photographs and 200 corrections, garment", 745, 5, 83.3, 83.4),
    Measured("photographs, color and garment together", 1511, 3, 95.2, 95.6),
    Measured("photographs, color", 2392, 3, 97.9, 97.9),
    Measured("photographs, garment", 2392, 3, 95.4, 95.4),
    Measured("photographs, color", 5460, 6, 98.4, 98.4),
    Measured("photographs, garment", 5460, 5, 94.9, 94.9),
    Measured("thumbnails of 60 x 80, type", 17057, 35, 87.7, 87.7),
    Measured(
        "thumbnails of 60 x 80, color (gray and silver, navy and blue)", 17057, 20, 70.4, 70.4
    ),
)
"""Of color, garment and type; networks of 48 x 48 pixels for the sets below 1,000."""


def similar_sets(pictures: int, labels: int) -> list[Measured]:
    """Return up to three measured sets that are nearest to one of this size, the nearest first.

    None where nothing that was measured is near.

    Parameters
    ----------
    pictures : int
        That have a label of the group.
    labels : int
        Of the group.
    """
    if not pictures or labels < 2:
        return []

    def distance(measured: Measured) -> tuple[float, float]:
        return (
            abs(log(measured.labels / labels)),
            abs(log(measured.per_label / (pictures / labels))),
        )

    near = [each for each in MEASURED if max(distance(each)) <= log(_FAR)]
    return sorted(near, key=lambda each: sum(distance(each)))[:_SHOWN]
