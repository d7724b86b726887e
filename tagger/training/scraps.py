"""Pieces of cloth in outlines that no garment has, as TensorFlow graph operations.

A network that was shown garments alone calls whatever is compact, shoes above all, by the name of
one. A piece of cloth within a random outline has the color of a garment, and the shape of none.
"""

from typing import Any

from tagger.backend import tf
from tagger.training.garments import border_median
from tagger.training.placing import place

Tensor = Any  # TensorFlow ships no types

MAGNIFIED = (2.0, 5.0)
"""How many times as large cloth is seen as in its picture."""
WAVES = 5
"""An outline goes in and out so many times at most."""


def cut_scraps(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return pictures of one or two pieces of their cloth, in random outlines.

    They are float32 (n, size, size, 3) in [0, 1], on the median color of their border.

    Parameters
    ----------
    pixels : float32 (n, size, size, 3)
        In [0, 1], RGB.
    seed : int32 (2,)
    """
    n = tf.shape(pixels)[0]
    seeds = tf.random.split(seed, 5)
    cloth = _cloth(pixels, seeds[0])
    shade = tf.random.stateless_uniform([n, 1, 1, 1], seeds[1], 0.55, 1.05)
    first, second = (_outlines(pixels, seeds[i]) for i in (2, 3))
    two = tf.random.stateless_uniform([n, 1, 1, 1], seeds[4]) < 0.4
    backdrop = border_median(pixels)
    behind = tf.where(two, backdrop * (1 - second) + cloth * shade * second, backdrop)
    return tf.clip_by_value(behind * (1 - first) + cloth * first, 0, 1)


def _cloth(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return what is in the middle of each picture, magnified: cloth, mostly."""
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 3)
    times = tf.random.stateless_uniform([n], seeds[0], *MAGNIFIED)
    across = tf.random.stateless_uniform([n], seeds[1], 0.42, 0.58) * size
    down = tf.random.stateless_uniform([n], seeds[2], 0.35, 0.65) * size
    middle = tf.fill([n], size / 2)
    return place(pixels, times=times, point=(across, down), to=(middle, middle), around="REFLECT")


def _outlines(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return float32 (n, size, size, 1): 1 within a random smooth outline, mostly a wide one."""
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 7)

    def uniform(i: int, low: float, high: float) -> Tensor:
        return tf.random.stateless_uniform([n, 1, 1], seeds[i], low, high)

    line = tf.linspace(-1.0, 1.0, size)
    x = line[None, None, :] - uniform(0, -0.25, 0.25)  # (n, 1, size)
    y = line[None, :, None] - uniform(1, -0.3, 0.4)  # (n, size, 1)
    turn = uniform(2, -0.7, 0.7)
    wide = uniform(3, 0.3, 0.9)
    high = wide * tf.exp(uniform(4, -1.3, 0.4))
    across = (x * tf.cos(turn) + y * tf.sin(turn)) / wide  # (n, size, size), as all below
    down = (y * tf.cos(turn) - x * tf.sin(turn)) / high
    radius = tf.sqrt(across**2 + down**2 + 1e-6)
    times = tf.range(1, WAVES + 1, dtype=tf.float32)
    phases = tf.random.stateless_uniform([n, 1, 1, WAVES], seeds[5], 0.0, 6.2831853)
    heights = tf.random.stateless_normal([n, 1, 1, WAVES], seeds[6]) / times
    angle = tf.atan2(down, across)[..., None]
    waves = tf.reduce_sum(heights * tf.sin(angle * times + phases), axis=-1)
    return tf.sigmoid(60 * (tf.exp(0.22 * waves) - radius) * wide)[..., None]
