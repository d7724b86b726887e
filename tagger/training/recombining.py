"""Pictures dyed in the colour of another one's garment, as TensorFlow graph operations."""

from typing import Any

from tagger.backend import tf
from tagger.training.garments import garment_region
from tagger.training.judged import Judged

Tensor = Any  # TensorFlow ships no types

GREY = 0.4
"""Share of a dyed garment's light and shade that is made grey: else what is left of its hue would
tint a black dye."""


def recombine(
    pixels: Tensor, targets: Tensor, rows: Tensor, seed: Tensor, *, by: Judged
) -> tuple[Tensor, Tensor]:
    """Return some pictures of a batch, each dyed as another of it is, and what they then show.

    A picture whose garment, or whose donor's, covers less than 3 % of it teaches its shape and its
    texture alone.

    Parameters
    ----------
    pixels : float32 (n, size, size, 3)
        In [0, 1].
    targets : float32 (n, n_labels)
    rows : int32 (m,)
    by : Judged
        What the labels are judged by.
    """
    donors = drawn_evenly(targets, by.pixels, tf.shape(rows)[0], seed)
    # What is in neither is not looked at; what is in both, once.
    looked_at, places = tf.unique(tf.concat([tf.cast(rows, tf.int64), donors], axis=0))
    regions = tf.gather(garment_region(tf.gather(pixels, looked_at)), places)
    own, other = tf.split(regions, 2)  # (m, size, size, 1) each
    dyed = dye(tf.gather(pixels, rows), own, tf.gather(pixels, donors), other)
    sure = tf.minimum(tf.reduce_mean(own, [1, 2]), tf.reduce_mean(other, [1, 2])) > 0.03  # (m, 1)
    taken = tf.where(by.pixels & sure, tf.gather(targets, donors), float("nan"))
    return dyed, tf.where(by.by_recolouring, tf.gather(targets, rows), taken)


def dye(pixels: Tensor, region: Tensor, others: Tensor, other_regions: Tensor) -> Tensor:
    """Return pictures whose garment has the colours of the garment in `others`.

    That is its mean and its spread. The pictures are in [0, 1].

    Parameters
    ----------
    pixels, others : float32 (n, size, size, 3)
        In [0, 1], RGB.
    region, other_regions : float32 (n, size, size, 1)
        From `garment_region`.

    Notes
    -----
    After E. Reinhard et al., "Color transfer between images", 2001, within the garment only and
    with one factor for all channels, which keeps folds grey where the new colour is grey.
    """
    mean, spread = _moments(pixels, region)
    other_mean, other_spread = _moments(others, other_regions)
    factor = tf.clip_by_value(other_spread / spread, 0.4, 2.0)
    deviation = pixels - mean
    deviation = (1 - GREY) * deviation + GREY * tf.reduce_mean(deviation, axis=-1, keepdims=True)
    dyed = other_mean + deviation * factor
    return tf.clip_by_value(pixels * (1 - region) + dyed * region, 0, 1)


def drawn_evenly(targets: Tensor, labels: Tensor, count: Tensor, seed: Tensor) -> Tensor:
    """Return int64 (count,): pictures of a batch, drawn so that each label comes about as often.

    Parameters
    ----------
    targets : float32 (n, n_labels)
    labels : bool (n_labels,)
        The labels that count.
    count : int32
    seed : int32 (2,)
    """
    has = tf.cast(labels & (targets == 1), tf.float32)  # (n, n_labels)
    weight = tf.reduce_sum(has / tf.maximum(tf.reduce_sum(has, axis=0), 1), axis=1)  # (n,)
    # Gumbel's trick: the largest of log(weight) plus such noise is drawn in proportion to weight.
    draw = tf.random.stateless_uniform([count, tf.shape(targets)[0]], seed, 1e-6, 1.0)
    noise = -tf.math.log(-tf.math.log(draw))  # (count, n)
    return tf.argmax(tf.math.log(weight + 1e-6)[None] + noise, axis=1)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of each picture, (n, channels)."""
    return tf.reduce_sum(values * weight, axis=[1, 2]) / (tf.reduce_sum(weight, axis=[1, 2]) + 1e-3)


def _moments(pixels: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (n, 1, 1, 3) and root mean square deviation (n, 1, 1, 1) inside the region."""
    mean = _mean(pixels, region)[:, None, None]  # (n, 1, 1, 3)
    square = tf.reduce_mean((pixels - mean) ** 2, axis=-1, keepdims=True)  # over all channels
    return mean, tf.sqrt(_mean(square, region)[:, None, None] + 1e-4)
