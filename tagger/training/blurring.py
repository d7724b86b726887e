"""Blurred pictures: what they show of shape and colour they still show, but not their texture."""

from typing import Any

from tagger.backend import tf

Tensor = Any  # TensorFlow ships no types

SIDES = (0.1, 0.2)
"""Share of the side that a blurred picture is shrunk to, and then drawn large again: of 96 pixels
10 to 19, in which neither stripes nor checks nor prints of a garment are left."""


def blur(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return the pictures, shrunk and drawn large again, all of a batch by the same factor.

    Parameters
    ----------
    pixels : float32 (n, size, size, 3)
    seed : int32 (2,)
    """
    size = pixels.shape[1]
    share = tf.random.stateless_uniform([], seed, *SIDES)
    side = tf.maximum(2, tf.cast(tf.round(share * size), tf.int32))
    small = tf.image.resize(pixels, tf.stack([side, side]), "area")
    return tf.ensure_shape(tf.image.resize(small, [size, size], "bilinear"), pixels.shape)
