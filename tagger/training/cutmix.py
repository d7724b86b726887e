"""CutMix: pictures with a piece of another in them teach both, each by its share of the area.

After S. Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
Features", 2019. The pieces keep their colours, unlike those of MixUp, so that groups judged by
pixels are taught too.
"""

from typing import Any

from tagger.backend import tf

Tensor = Any  # TensorFlow ships no types

LARGEST = 0.5
"""Share of the area that a piece takes at most; it is drawn evenly from 0 on."""


def patch(pixels: Tensor, targets: Tensor, seed: Tensor, *, share: float) -> tuple[Tensor, Tensor]:
    """Return the batch, some of it with a square piece of another picture, and what it teaches.

    Parameters
    ----------
    pixels : float32 (n, size, size, 3)
        The piece comes from the same place of the other picture; what would lie outside is cut off.
    targets : float32 (n, n_labels)
        NaN, unknown, in either picture stays NaN.
    seed : int32 (2,)
    share : float
        About how much of the batch, from 0 to 1.
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 5)
    order = tf.argsort(tf.random.stateless_uniform([n], seeds[0]))  # (n,)
    chosen = tf.random.stateless_uniform([n], seeds[1]) < share
    side = tf.where(chosen, tf.sqrt(tf.random.stateless_uniform([n], seeds[2], 0.0, LARGEST)), 0.0)
    line = (tf.range(size, dtype=tf.float32) + 0.5) / size
    across, down = (
        tf.abs(line[None] - tf.random.stateless_uniform([n], seeds[i])[:, None]) < side[:, None] / 2
        for i in (3, 4)
    )
    piece = tf.cast(down[:, :, None] & across[:, None, :], tf.float32)[..., None]
    area = tf.reduce_mean(piece, axis=[1, 2])  # (n, 1)
    patched = pixels * (1 - piece) + tf.gather(pixels, order) * piece
    mixed = targets * (1 - area) + tf.gather(targets, order) * area  # (n, n_labels)
    # A picture without a piece knows what it knew, whatever the other does not.
    return patched, tf.where(area > 0, mixed, targets)
