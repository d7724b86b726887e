"""Pictures before other backgrounds and in other light, as TensorFlow graph operations.

Shop photographs stand before a plain, light background; what is photographed at home lies on floors
and beds. A trunk that saw plain backgrounds alone takes what is on a floor for part of the garment.
So whatever is joined to a plain border is taken for background, as a bucket of paint would be
poured, and something drawn is put there.
"""

from typing import Any

from tagger.backend import tf
from tagger.training.garments import from_border

Tensor = Any  # TensorFlow ships no types

NEAR = 0.09
"""How far a pixel may be from the border's median color, and still be background."""
PLAIN = 0.7
"""A border of which less is near its median color is not plain; its picture stays as it is."""
FLOODED = 20
"""Steps of four pixels that the flood goes: nearly to the middle of 96, around corners
too."""
OCTAVES = (3, 7, 16, 40)
"""Spots of a drawn backdrop, by how many lie side by side."""


def put_before_backdrops(pixels: Tensor, seed: Tensor, *, share: float) -> Tensor:
    """Return the pictures, about `share` of them before other backgrounds and in other light.

    They are float32 (n, size, size, 3) in [0, 1]. A picture without a plain background gets other
    light alone.

    Parameters
    ----------
    pixels : float32 (n, size, size, 3)
        In [0, 1], RGB.
    seed : int32 (2,)
    share : float
        From 0 to 1.
    """
    n = tf.shape(pixels)[0]
    seeds = tf.random.split(seed, 5)
    background = plain_background(pixels)
    drawn = draw_backdrops(pixels, seeds[0])
    magnified = _magnified(pixels, seeds[1])
    from_others = tf.random.stateless_uniform([n, 1, 1, 1], seeds[2]) < 0.5
    backdrop = tf.where(from_others, magnified, drawn)
    placed = pixels * (1 - background) + backdrop * background
    chosen = tf.random.stateless_uniform([n, 1, 1, 1], seeds[3]) < share
    return tf.where(chosen, relight(placed, seeds[4]), pixels)


def plain_background(pixels: Tensor) -> Tensor:
    """Return how surely each pixel is plain background: float32 (n, size, size, 1) in [0, 1].

    It is what resembles the border's median color and is joined to the border through such pixels.
    All is 0 where the border is not plain.
    """
    half = tf.nn.avg_pool2d(pixels, 2, 2, "SAME")
    near = tf.cast(from_border(half) < NEAR, tf.float32)  # (n, half, half, 1)
    frame = _frame(half.shape[1])
    plain = tf.reduce_sum(near * frame, axis=[1, 2], keepdims=True) > PLAIN * tf.reduce_sum(frame)
    coarse = tf.cast(tf.nn.avg_pool2d(near, 2, 2, "SAME") > 0.6, tf.float32)
    flood = coarse * _frame(coarse.shape[1])
    for _ in range(FLOODED):
        flood = tf.nn.max_pool2d(flood, 3, 1, "SAME") * coarse
    flood = tf.image.resize(flood, half.shape[1:3], "nearest")
    for _ in range(2):
        flood = tf.nn.max_pool2d(flood, 3, 1, "SAME") * near
    # One pixel further: else a light rim is left around the garment.
    flood = tf.nn.max_pool2d(flood, 3, 1, "SAME")
    size = pixels.shape[1]
    mask = tf.image.resize(tf.where(plain, flood, 0.0), [size, size])
    return tf.ensure_shape(mask, [None, size, size, 1])


def draw_backdrops(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return a backdrop for each picture: a color with spots of several sizes, and boards on half.

    They are float32, of the pictures' shape, in [0, 1].
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 5 + 3 * len(OCTAVES))

    def uniform(i: int, low: float, high: float, channels: int = 1) -> Tensor:
        return tf.random.stateless_uniform([n, 1, 1, channels], seeds[i], low, high)

    light = uniform(0, 0.1, 0.95)
    drawn = light + uniform(1, -0.15, 0.15, 3)
    for i, spots in enumerate(OCTAVES):
        for j, (channels, strength) in enumerate(((1, 0.14), (3, 0.05))):
            shape = [n, spots, spots, channels]
            noise = tf.random.stateless_normal(shape, seeds[5 + 3 * i + j])
            amount = uniform(5 + 3 * i + 2, 0.0, strength)
            drawn += amount * tf.image.resize(noise, [size, size], "bicubic")
    line = tf.linspace(-1.0, 1.0, size)
    angle = uniform(2, 0.0, 3.14159265)
    across = line[None, None, :, None] * tf.cos(angle) + line[None, :, None, None] * tf.sin(angle)
    boards = tf.sin(across * uniform(3, 3.0, 40.0))  # (n, size, size, 1)
    return tf.clip_by_value(drawn + tf.nn.relu(uniform(4, -0.15, 0.15)) * boards, 0, 1)


def relight(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return the pictures in other light: its color, its strength, from one side, and with noise.

    They are float32 (n, size, size, 3) in [0, 1].
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 7)

    def uniform(i: int, low: float, high: float, channels: int = 1) -> Tensor:
        return tf.random.stateless_uniform([n, 1, 1, channels], seeds[i], low, high)

    line = tf.linspace(-1.0, 1.0, size)
    angle = uniform(0, -3.14159265, 3.14159265)
    across = line[None, None, :, None] * tf.cos(angle) + line[None, :, None, None] * tf.sin(angle)
    gain = tf.exp(uniform(1, -0.45, 0.2) + uniform(2, -0.12, 0.12, 3))
    lit = pixels * gain * (1 + uniform(3, 0.0, 0.3) * across)
    lit = tf.pow(tf.clip_by_value(lit, 0, 1) + 1e-4, tf.exp(uniform(4, -0.3, 0.3)))
    noise = tf.random.stateless_normal(tf.shape(pixels), seeds[5])
    return tf.clip_by_value(lit + noise * uniform(6, 0.0, 0.03), 0, 1)


def _magnified(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return for each picture a piece of another one of the batch, two to five times as large:
    cloth, mostly, as it lies on beds."""
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 4)
    order = tf.argsort(tf.random.stateless_uniform([n], seeds[0]))
    zoom = tf.random.stateless_uniform([n], seeds[1], 0.2, 0.5)
    x, y = (
        tf.random.stateless_uniform([n], seeds[i], 0.2, 0.8) * size - zoom * size / 2
        for i in (2, 3)
    )
    zeros = tf.zeros_like(zoom)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.gather(pixels, order),
        transforms=tf.stack([zoom, zeros, x, zeros, zoom, y, zeros, zeros], axis=1),  # (n, 8)
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _frame(size: int) -> Tensor:
    """Return float32 (1, size, size, 1): 1 along the border."""
    inside = tf.zeros([1, size - 2, size - 2, 1])
    return tf.pad(inside, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.0)
