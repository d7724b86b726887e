"""What a network is fitted to."""

from dataclasses import dataclass

from tagger.arrays import Float32Array, Int64Array, Pixels


@dataclass(frozen=True)
class TrainingData:
    """Pictures and targets, and which part each row is in.

    Attributes
    ----------
    pixels : uint8 (n, size, size, 3)
        May be memory-mapped.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown.
    train, validation : int64
        Row numbers.
    """

    pixels: Pixels
    targets: Float32Array
    train: Int64Array
    validation: Int64Array
