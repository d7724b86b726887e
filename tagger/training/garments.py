"""Where the garment of a picture is, as TensorFlow graph operations; it knows none by name."""

from typing import Any

from tagger.backend import tf

Tensor = Any  # TensorFlow ships no types

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""Luma and two colour differences (Y, I, Q of NTSC): linear, so means and turns of hue are cheap.
"""


def garment_region(pixels: Tensor) -> Tensor:
    """Return how surely each pixel belongs to the garment in the middle.

    That is float32 (n, size, size, 1) in [0, 1]. The garment is what differs from the median colour
    of the border and resembles the commonest colour in the middle. That is found by mean shift
    (Fukunaga and Hostetler, 1975) from nine starts; from a single start, the mean of all, a dress
    was missed for its background in a quarter of the pictures. Skin, hair and what is worn with it
    mostly stay outside, and folds inside, since lightness counts less than hue. Where the
    background is busy the region may be wrong, or nearly empty: look at its area before you rely on
    it.
    """
    half = tf.nn.avg_pool2d(pixels, 2, 2, "SAME")
    main = _main_colour(tf.nn.avg_pool2d(half, 2, 2, "SAME"))
    apart = tf.clip_by_value((from_border(half) - 0.08) / 0.1, 0, 1)
    distance = tf.norm(_flat_light(half) - main[:, None, None] + 1e-6, axis=-1, keepdims=True)
    region = apart * tf.clip_by_value((0.17 - distance) / 0.07, 0, 1)
    return tf.ensure_shape(
        tf.image.resize(region, tf.shape(pixels)[1:3]), [None, *pixels.shape[1:3], 1]
    )


def from_border(pixels: Tensor) -> Tensor:
    """Return float32 (n, size, size, 1): how far each pixel is from the border's median colour."""
    square = (pixels - border_median(pixels)) ** 2  # (n, size, size, 3)
    return tf.sqrt(tf.reduce_sum(square, axis=-1, keepdims=True) + 1e-9)


def border_median(pixels: Tensor) -> Tensor:
    """Return float32 (n, 1, 1, 3): the median of each channel along the border."""
    size = pixels.shape[1]
    wide = max(1, size // 24)
    sides = [tf.transpose(x, [0, 2, 1, 3]) for x in (pixels[:, :, :wide], pixels[:, :, -wide:])]
    bands = tf.concat([pixels[:, :wide], pixels[:, -wide:], *sides], axis=1)  # (n, 4 wide, size, 3)
    border = tf.reshape(bands, [tf.shape(pixels)[0], 4 * wide * size, 3])
    return tf.sort(border, axis=1)[:, 2 * wide * size][:, None, None]


def _main_colour(small: Tensor) -> Tensor:
    """Return float32 (n, 3): the commonest colour in the middle that is not the border's."""
    size = small.shape[1]
    line = tf.linspace(-1.0, 1.0, size)
    centred = tf.exp(-((line[None, :] / 0.56) ** 2 + (line[:, None] / 0.72) ** 2) / 2)
    # What is far from the border's colour counts more: cloth, rather than a shadow or a gradient
    # behind it.
    weight = tf.clip_by_value((from_border(small)[..., 0] - 0.08) / 0.4, 0, 1) * centred
    colours = tf.reshape(_flat_light(small), [-1, size * size, 3])  # (n, pixels, 3)
    weight = tf.reshape(weight, [-1, size * size, 1])  # (n, pixels, 1)
    rows = [round(size * share) for share in (0.3, 0.5, 0.68)]
    columns = [round(size * share) for share in (0.38, 0.5, 0.62)]
    starts = [row * size + column for row in rows for column in columns]
    mains = tf.gather(colours, starts, axis=1)  # (n, starts, 3)
    squares = tf.reduce_sum(colours**2, axis=-1, keepdims=True)  # (n, pixels, 1)
    for width in (0.15, 0.12, 0.1, 0.08):
        # |c - m|^2 = |c|^2 - 2 c m + |m|^2: a product of matrices, not a difference of each pair.
        products = tf.matmul(colours, mains, transpose_b=True)  # (n, pixels, starts)
        distance = squares - 2 * products + tf.reduce_sum(mains**2, axis=-1)[:, None]
        near = weight * tf.exp(-distance / (2 * width**2))
        total = tf.reduce_sum(near, axis=1)[..., None]  # (n, starts, 1)
        mains = tf.matmul(near, colours, transpose_a=True) / (total + 1e-3)
    most = tf.argmax(tf.reduce_sum(near, axis=1), axis=1)
    return tf.gather(mains, most, axis=1, batch_dims=1)


def _flat_light(pixels: Tensor) -> Tensor:
    """Return luma and two colour differences, luma counting half."""
    return tf.einsum(
        "nhwc,dc->nhwd", pixels, tf.constant(YIQ) * tf.constant([[0.45], [1.0], [1.0]])
    )
