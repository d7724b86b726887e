"""Pictures scaled and put elsewhere, as TensorFlow graph operations."""

from typing import Any, Literal

from tagger.backend import tf

Tensor = Any  # TensorFlow ships no types


def place(
    pixels: Tensor,
    *,
    times: Tensor,
    point: tuple[Tensor, Tensor],
    to: tuple[Tensor, Tensor],
    around: Literal["CONSTANT", "REFLECT"],
) -> Tensor:
    """Return the pictures scaled, each with one of its points where it is wanted.

    They are float32 (n, size, size, channels).

    Parameters
    ----------
    times : float32 (n,)
        How many times as large.
    point, to : (float32 (n,), float32 (n,))
        Column and row, in pixels: the point `point` of the picture comes to lie at `to`.
    around : str
        What is seen where the picture has ended: 0, or the picture mirrored.
    """
    step = 1 / times  # output (x, y) is read from the input at step * (x, y) + shift
    zeros = tf.zeros_like(step)
    across = point[0] - step * to[0]
    down = point[1] - step * to[1]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack([step, zeros, across, zeros, step, down, zeros, zeros], axis=1),
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=around,
    )
