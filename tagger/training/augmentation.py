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

from tagger.backend import tf
from tagger.training.blurring import blur
from tagger.training.judged import Judged

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
GREY = 0.4
"""Share of a dyed garment's light and shade that is made grey: else what is left of its hue would
tint a black dye."""

Tensor = Any  # TensorFlow ships no types

# Luma and two colour differences (Y, I, Q of NTSC): linear, so means and turns of hue are cheap.
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


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
    zeros = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack([a, b, dx, c, d, dy, zeros, zeros], axis=1),  # (n, 8)
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


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

    to_yiq = tf.constant(_YIQ)
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
    for width in (0.15, 0.12, 0.1, 0.08):
        distance = tf.reduce_sum((colours[:, :, None] - mains[:, None]) ** 2, axis=-1)
        near = weight * tf.exp(-distance / (2 * width**2))  # (n, pixels, starts)
        total = tf.reduce_sum(near, axis=1)[..., None]  # (n, starts, 1)
        mains = tf.einsum("npk,npc->nkc", near, colours) / (total + 1e-3)
    most = tf.argmax(tf.reduce_sum(near, axis=1), axis=1)
    return tf.gather(mains, most, axis=1, batch_dims=1)


def _flat_light(pixels: Tensor) -> Tensor:
    """Return luma and two colour differences, luma counting half."""
    return tf.einsum(
        "nhwc,dc->nhwd", pixels, tf.constant(_YIQ) * tf.constant([[0.45], [1.0], [1.0]])
    )


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
    donors = _donors(targets, by.pixels, tf.shape(rows)[0], seed)
    regions = garment_region(pixels)
    own = tf.gather(regions, rows)  # (m, size, size, 1)
    other = tf.gather(regions, donors)
    dyed = dye(tf.gather(pixels, rows), own, tf.gather(pixels, donors), other)
    sure = tf.minimum(tf.reduce_mean(own, [1, 2]), tf.reduce_mean(other, [1, 2])) > 0.03  # (m, 1)
    taken = tf.where(by.pixels & sure, tf.gather(targets, donors), float("nan"))
    return dyed, tf.where(by.by_recolouring, tf.gather(targets, rows), taken)


def _donors(targets: Tensor, colour: Tensor, count: Tensor, seed: Tensor) -> Tensor:
    """Return int64 (count,): pictures to take colours from, each colour about as often."""
    has = tf.cast(colour & (targets == 1), tf.float32)  # (n, n_labels)
    weight = tf.reduce_sum(has / tf.maximum(tf.reduce_sum(has, axis=0), 1), axis=1)  # (n,)
    # Gumbel's trick: the largest of log(weight) plus such noise is drawn in proportion to weight.
    draw = tf.random.stateless_uniform([count, tf.shape(targets)[0]], seed, 1e-6, 1.0)
    noise = -tf.math.log(-tf.math.log(draw))  # (count, n)
    return tf.argmax(tf.math.log(weight + 1e-6)[None] + noise, axis=1)


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


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of each picture, (n, channels)."""
    return tf.reduce_sum(values * weight, axis=[1, 2]) / (tf.reduce_sum(weight, axis=[1, 2]) + 1e-3)


def _moments(pixels: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (n, 1, 1, 3) and root mean square deviation (n, 1, 1, 1) inside the region."""
    mean = _mean(pixels, region)[:, None, None]  # (n, 1, 1, 3)
    square = tf.reduce_mean((pixels - mean) ** 2, axis=-1, keepdims=True)  # over all channels
    return mean, tf.sqrt(_mean(square, region)[:, None, None] + 1e-4)
