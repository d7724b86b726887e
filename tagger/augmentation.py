"""What training does to a batch of pictures, as TensorFlow graph operations.

Every picture is turned, shifted, zoomed and mirrored, as in the method. Part of each batch is also *recoloured* at
random, and teaches only the groups judged by shape; another part is *cut up and shuffled*, and teaches only those
judged by pixels. All other labels of such a picture are unknown (NaN) in the loss. That is what lets the network
call a black dress a dress when no training picture paired black with dress.
"""

from typing import Any

from tagger.backend import tf

ROTATION = 25 / 180 * 3.14159265
SHIFT = 0.1
ZOOM = 0.2
TILES = 4
"""A shuffled picture is cut into TILES x TILES pieces."""

Tensor = Any  # TensorFlow ships no types


def transform(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return float32 (n, size, size, 3) pictures turned up to 25 degrees, shifted 10 %, zoomed 20 %, mirrored.

    Width and height are zoomed independently: pictures are squashed to a square, so their proportions say little.

    Edges are filled with the nearest pixel.
    """
    n, size = tf.shape(pixels)[0], pixels.shape[1]
    seeds = tf.random.split(seed, 6)

    def uniform(i: int, limit: float) -> Tensor:
        return tf.random.stateless_uniform([n], seeds[i], -limit, limit)

    angle, across, along = uniform(0, ROTATION), 1 + uniform(1, ZOOM), 1 + uniform(5, ZOOM)
    mirror = tf.where(uniform(2, 1.0) < 0, -1.0, 1.0)
    cosine, sine, across = tf.cos(angle), tf.sin(angle), across * mirror
    middle = (size - 1) / 2
    # Output (x, y) is read from the input at A (x, y) + shift, about the middle.
    a, b, c, d = cosine * across, -sine * along, sine * across, cosine * along
    dx = middle - (a + b) * middle + uniform(3, SHIFT * size)
    dy = middle - (c + d) * middle + uniform(4, SHIFT * size)
    zeros = tf.zeros_like(a)
    rows = tf.stack([a, b, dx, c, d, dy, zeros, zeros], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=rows,
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def recolour(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return pictures in [0, 1] whose channels are random mixtures of the old ones, half of them inverted.

    Light, dark and hue change; edges, folds and outlines stay.
    """
    n = tf.shape(pixels)[0]
    seeds = tf.random.split(seed, 4)
    mixture = tf.nn.softmax(2.5 * tf.random.stateless_normal([n, 3, 3], seeds[0]), axis=1)
    mixed = tf.einsum("nhwc,ncd->nhwd", pixels, mixture)
    inverted = tf.random.stateless_uniform([n, 1, 1, 3], seeds[1]) < 0.5
    mixed = tf.where(inverted, 1 - mixed, mixed)
    gain = tf.random.stateless_uniform([n, 1, 1, 3], seeds[2], 0.5, 1.0)
    lift = tf.random.stateless_uniform([n, 1, 1, 3], seeds[3]) * (1 - gain)
    return mixed * gain + lift


def shuffle_tiles(pixels: Tensor, seed: Tensor) -> Tensor:
    """Return pictures cut into TILES x TILES pieces that are put together at random."""
    n, size = tf.shape(pixels)[0], pixels.shape[1]
    side, count = size // TILES, TILES * TILES
    # (n, rows, side, columns, side, 3) to (n, rows * columns, side, side, 3) and back
    tiles = tf.transpose(tf.reshape(pixels, [n, TILES, side, TILES, side, 3]), [0, 1, 3, 2, 4, 5])
    order = tf.argsort(tf.random.stateless_uniform([n, count], seed), axis=1)
    tiles = tf.gather(tf.reshape(tiles, [n, count, side, side, 3]), order, axis=1, batch_dims=1)
    tiles = tf.transpose(tf.reshape(tiles, [n, TILES, TILES, side, side, 3]), [0, 1, 3, 2, 4, 5])
    return tf.reshape(tiles, [n, size, size, 3])


def augment(
    pixels: Tensor, targets: Tensor, seed: Tensor, *, recoloured: int, shuffled: int, shape: Tensor, colour: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the batch as training sees it.

    Parameters
    ----------
    pixels : uint8 (n, size, size, 3)
        In random order: the last `shuffled` pictures are cut up, the `recoloured` before them recoloured.
    targets : float32 (n, n_labels)
    seed : int32 (2,)
        The batch's own; the same seed gives the same batch.
    shape, colour : bool (n_labels,)
        Labels that a recoloured, or a shuffled, picture still teaches.
    """
    seeds = tf.random.split(seed, 3)
    x = transform(tf.cast(pixels, tf.float32) / 255, seeds[0])
    n = tf.shape(x)[0]
    first, second = n - recoloured - shuffled, n - shuffled
    parts, answers = [x[:first]], [targets[:first]]
    if recoloured:
        parts.append(recolour(x[first:second], seeds[1]))
        answers.append(tf.where(shape, targets[first:second], float("nan")))
    if shuffled:
        parts.append(shuffle_tiles(x[second:], seeds[2]))
        answers.append(tf.where(colour, targets[second:], float("nan")))
    return tf.concat(parts, axis=0), tf.concat(answers, axis=0)
