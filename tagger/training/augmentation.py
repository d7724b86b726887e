"""What training does to a batch of pictures, as TensorFlow graph operations.

Every picture is turned, shifted, zoomed and mirrored, as in the method. Some are then changed in
one of four ways, so that each group of labels is learned from its own evidence and from nothing
that merely comes with it:

- *recoloured* at random: teaches only the groups judged by shape and by texture;
- *cut up and shuffled*, half of them within a random outline: teaches the groups judged by pixels
  and by texture, and those judged by shape that nothing of theirs is there, since a thing that is
  no garment must not be called one;
- *dyed* in the colour of another picture's garment: the groups judged by shape and by texture keep
  this picture's labels, those judged by pixels take the other's. These are pictures of combinations
  that the training set may not have;
- *blurred*: teaches the groups judged by pixels and by shape.

All other labels of such a picture are unknown (NaN) in the loss. Nothing here knows a colour or a
garment by name.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np

from tagger.arrays import Float32Array
from tagger.backend import tf
from tagger.training.blurring import blur
from tagger.training.garments import YIQ, border_median, from_border
from tagger.training.judged import Judged
from tagger.training.recombining import recombine

ROTATION = 25 / 180 * 3.14159265
SHIFT = 0.1
ZOOM = 0.2
SHEAR = 0.2
ASPECT = 0.2
"""Width against height, as a logarithm: pictures are squashed to a square, so it says little."""
GRIDS = (3, 4, 6)
"""A shuffled picture is cut into g x g pieces, g one of these."""
CROP = (0.35, 0.8)
"""Share of the side that is left of a picture before it is cut up: its middle, so that edges and
outline are gone."""

Tensor = Any  # TensorFlow ships no types


class Mix(NamedTuple):
    """How many pictures of a batch are changed in which way; the rest stay as they are."""

    recoloured: int = 0
    shuffled: int = 0
    dyed: int = 0
    blurred: int = 0


def transform(
    pixels: Tensor, seed: Tensor, *, strength: float = 1.0, crop: tuple[float, float] | None = None
) -> Tensor:
    """Return the pictures turned up to 25 degrees, shifted 10 %, zoomed and sheared 20 %.

    Half of them are mirrored, all stretched by up to 20 %; edges are filled with the nearest pixel.
    They are float32 (n, size, size, channels).

    Parameters
    ----------
    strength : float
        Factor on all of these but the mirror and the crop.
    crop : (float, float), optional
        Instead of the zoom: the share of the side that is left, drawn between these.
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 7)

    def uniform(i: int, low: float, high: float) -> Tensor:
        return tf.random.stateless_uniform([n], seeds[i], low, high)

    def up_to(i: int, limit: float) -> Tensor:
        return uniform(i, -limit * strength, limit * strength)

    angle = up_to(0, ROTATION)  # (n,), as all below
    shear = up_to(1, SHEAR)
    mirror = tf.where(uniform(2, -1.0, 1.0) < 0, -1.0, 1.0)
    zoom = 1 + up_to(3, ZOOM) if crop is None else uniform(3, *crop)
    room_x = room_y = SHIFT * strength
    if crop is not None:  # it may lie anywhere near the middle; garments are taller than wide
        room_x = 0.25 * (1 - zoom)
        room_y = 0.35 * (1 - zoom)
    middle = (size - 1) / 2
    # Output (x, y) is read from the input at A (x, y) + shift, about the middle.
    stretch = zoom * (tf.exp(up_to(6, ASPECT)) if crop is None else 1)
    a = tf.cos(angle) * zoom * mirror
    b = -tf.sin(angle + shear) * stretch
    c = tf.sin(angle) * zoom * mirror
    d = tf.cos(angle + shear) * stretch
    dx = middle - (a + b) * middle + uniform(4, -1.0, 1.0) * room_x * size
    dy = middle - (c + d) * middle + uniform(5, -1.0, 1.0) * room_y * size
    matrices = tf.reshape(tf.stack([a, b, dx, c, d, dy], axis=1), [-1, 2, 3])
    return tf.ensure_shape(
        tf.numpy_function(read_through, [pixels, matrices], tf.float32, stateful=False),
        pixels.shape,
    )


def read_through(pixels: Float32Array, matrices: Float32Array) -> Float32Array:
    """Return the pictures, each pixel read where the picture's matrix says.

    By OpenCV: the values of TensorFlow's ImageProjectiveTransform to 0.00001, in a fifth of its
    time (64 pictures: 9 and 45 ms).

    Parameters
    ----------
    pixels : float32 (n, size, size, channels)
    matrices : float32 (n, 2, 3)
        Output (x, y) is read from the input at the matrix's product with (x, y, 1).
    """
    result = np.empty_like(pixels)
    size = pixels.shape[2], pixels.shape[1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for picture, matrix, to in zip(pixels, matrices, result, strict=True):
        cv2.warpAffine(picture, matrix, size, dst=to, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return result


def recolour(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return pictures in [0, 1] of any colour but their own; edges, folds and outlines stay.

    Hue is turned at random, saturation scaled by up to 1.5 (a quarter turn grey), channels change
    places in half of them, light and dark shift by a gamma of e^-1 to e^1.2. Half are then tinted
    40 to 95 % towards one random colour wherever they are far from the median colour of their
    border.
    """
    n = tf.shape(pixels)[0]
    seeds = tf.random.split(seed, 8)

    def uniform(i: int, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        return tf.random.stateless_uniform([n, *shape], seeds[i], low, high)

    to_yiq = tf.constant(YIQ)
    turn = uniform(0, (1, 1), -3.14159265, 3.14159265)
    draw = uniform(1, (1, 1))
    saturation = tf.where(draw < 0.25, 0.0, draw * 2 - 0.5)  # what is left, up to 1.5
    y, i, q = tf.unstack(tf.einsum("nhwc,dc->nhwd", pixels, to_yiq), axis=-1)  # (n, size, size)
    cosine = tf.cos(turn) * saturation  # (n, 1, 1)
    sine = tf.sin(turn) * saturation
    turned = tf.stack([y, i * cosine - q * sine, i * sine + q * cosine], axis=-1)
    x = tf.clip_by_value(tf.einsum("nhwc,dc->nhwd", turned, tf.linalg.inv(to_yiq)), 0, 1)
    order = tf.argsort(uniform(2, (3,)), axis=1)  # (n, 3)
    order = tf.where(uniform(3, (1,)) < 0.5, order, tf.range(3)[None])
    x = tf.einsum("nhwc,ncd->nhwd", x, tf.one_hot(order, 3, axis=1))
    x = tf.pow(x + 1e-4, tf.exp(uniform(4, (1, 1, 1), -1.0, 1.2)))
    strength = uniform(5, (1, 1, 1), 0.4, 0.95) * tf.cast(uniform(6, (1, 1, 1)) < 0.5, tf.float32)
    strength *= tf.clip_by_value((from_border(x) - 0.12) / 0.1, 0, 1)
    return tf.clip_by_value(x * (1 - strength) + uniform(7, (1, 1, 3)) * strength, 0, 1)


def shuffle_tiles(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return pictures cut into g x g pieces that are put together at random.

    The g is one of `GRIDS`, the same for all of them.

    Raises
    ------
    ValueError
        Where the side cannot be divided by any of `GRIDS`.
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    grids = [grid for grid in GRIDS if size % grid == 0]
    if not grids:
        raise ValueError(f"a side of {size} pixels is a multiple of none of {GRIDS}")
    seeds = tf.random.split(seed, 2)

    def shuffled(grid: int) -> Tensor:
        side = size // grid
        count = grid * grid
        # (n, rows, side, columns, side, 3) to (n, rows * columns, side, side, 3) and back
        tiles = tf.transpose(tf.reshape(pixels, [n, grid, side, grid, side, 3]), [0, 1, 3, 2, 4, 5])
        order = tf.argsort(tf.random.stateless_uniform([n, count], seeds[1]), axis=1)
        tiles = tf.gather(tf.reshape(tiles, [n, count, side, side, 3]), order, axis=1, batch_dims=1)
        tiles = tf.transpose(tf.reshape(tiles, [n, grid, grid, side, side, 3]), [0, 1, 3, 2, 4, 5])
        return tf.ensure_shape(tf.reshape(tiles, [n, size, size, 3]), [None, size, size, 3])

    which = tf.random.stateless_uniform([], seeds[0], 0, len(grids), tf.int32)
    return tf.switch_case(which, [lambda grid=grid: shuffled(grid) for grid in grids])


def cut_out(pixels: Tensor, backdrop: Tensor, seed: Tensor) -> Tensor:
    """Return the pictures, half of them within a random smooth outline.

    Parameters
    ----------
    backdrop : float32 (n, 1, 1, 3)
        What is seen outside of it.
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 4)
    line = tf.linspace(-1.0, 1.0, size)
    wide, high = (tf.random.stateless_uniform([n, 1, 1, 1], seeds[i], 0.35, 1.0) for i in (0, 1))
    across = (line[None, None, :, None] / wide) ** 2  # (n, 1, size, 1)
    down = (line[None, :, None, None] / high) ** 2  # (n, size, 1, 1)
    radius = tf.sqrt(across + down)  # (n, size, size, 1)
    waves = tf.image.resize(
        tf.random.stateless_normal([n, 5, 5, 1], seeds[2]), [size, size], "bicubic"
    )
    outline = tf.sigmoid(14 * (0.75 + 0.35 * waves - radius))
    outline = tf.where(tf.random.stateless_uniform([n, 1, 1, 1], seeds[3]) < 0.5, outline, 1.0)
    return pixels * outline + backdrop * (1 - outline)


def augment(
    pixels: Tensor,
    targets: Tensor,
    seed: Tensor,
    *,
    mix: Mix,
    by: Judged,
    geometry: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return the batch as training sees it.

    That is float32 pictures in [0, 1], and targets, NaN where they teach nothing.

    Parameters
    ----------
    pixels : uint8 or float32 (n, size, size, 3)
        From 0 to 255, in random order: which picture is changed how goes by position.
    targets : float32 (n, n_labels)
    seed : int32 (2,)
        The batch's own; the same seed gives the same batch.
    mix : Mix
    by : Judged
        What the labels are judged by.
    geometry : float
        How strongly pictures are turned, shifted and so on, see `transform`.
    """
    seeds = tf.random.split(seed, 10)

    def moved(pictures: Tensor, i: int, *, crop: tuple[float, float] | None = None) -> Tensor:
        return transform(pictures, seeds[i], strength=geometry, crop=crop)

    x = tf.cast(pixels, tf.float32) / 255
    n = tf.shape(x)[0]
    plain, recoloured, shuffled, dyed, blurred = tf.split(tf.range(n), [n - sum(mix), *mix])
    parts = [moved(tf.gather(x, plain), 0)]
    answers = [tf.gather(targets, plain)]
    if mix.recoloured:
        parts.append(recolour(moved(tf.gather(x, recoloured), 1), seeds[2]))
        answers.append(_known(by.by_recolouring, tf.gather(targets, recoloured)))
    if mix.shuffled:
        pictures = tf.gather(x, shuffled)
        tiles = shuffle_tiles(moved(pictures, 3, crop=CROP), seeds[4])
        parts.append(cut_out(tiles, border_median(pictures), seeds[7]))
        nothing = tf.where(by.shape, 0.0, float("nan"))
        answers.append(tf.where(by.by_shuffling, tf.gather(targets, shuffled), nothing))
    if mix.dyed:
        pictures, taught = recombine(x, targets, dyed, seeds[5], by=by)
        parts.append(moved(pictures, 6))
        answers.append(taught)
    if mix.blurred:
        parts.append(blur(moved(tf.gather(x, blurred), 8), seeds[9]))
        answers.append(_known(by.by_blurring, tf.gather(targets, blurred)))
    return tf.concat(parts, axis=0), tf.concat(answers, axis=0)


def _known(labels: Tensor, targets: Tensor) -> Tensor:
    """Return the targets, unknown but for these labels."""
    return tf.where(labels, targets, float("nan"))
