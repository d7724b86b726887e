"""What is above a garment exchanged among pictures, as TensorFlow graph operations.

A woman's head is above dresses more often than above shirts, which lie flat, so a network takes a
head for a dress. Here a garment gets what is above another one: a head, or nothing. So what is
above it says nothing. No head is known by its look: it is what is neither garment nor background.
"""

from typing import Any, NamedTuple

from tagger.backend import tf
from tagger.training.garments import border_median, from_border, garment_region
from tagger.training.placing import place
from tagger.training.recombining import drawn_evenly

Tensor = Any  # TensorFlow ships no types

TAILS = 0.02
"""Share of a garment's area that may stick out above its top."""
SHOULDERS = 0.25
"""Share of a garment's height, from its top, that is as wide as its shoulders."""
HAIR = 0.06
"""Share of the side by which what is above a garment may hang down beside it."""
HEAD = (0.01, 0.15)
"""Share of the picture that a head has; less is nothing, and more is another garment."""
ROOM = (0.12, 0.42)
"""Share of the side that is above a garment that gets a head."""
CROPPED = 0.08
"""Share of the side that is above one that gets none, at most."""
LOWEST = 0.5
"""A garment that begins below this share of the side stays as it is."""


class _Garments(NamedTuple):
    """Where the garments of a batch are, in pixels: float32 (n,) each, and bool (n,)."""

    top: Tensor
    neck: Tensor  # the column in the middle of the shoulders
    shoulders: Tensor  # how wide they are
    found: Tensor  # whether this can be relied on


class _Heads(NamedTuple):
    """What is above the garments of a batch."""

    pixels: Tensor  # float32 (n, size, size, 3), 0 outside of a head
    mask: Tensor  # float32 (n, size, size, 1)
    there: Tensor  # bool (n,)


def exchange_tops(pixels: Tensor, targets: Tensor, seed: Tensor, *, shape: Tensor) -> Tensor:
    """Return the pictures with what is above other ones' garments.

    They are float32 (n, size, size, 3) in [0, 1]. Where the garment is not found, or begins in the
    lower half, a picture stays as it is.

    Parameters
    ----------
    pixels : float32 (n, size, size, 3)
        In [0, 1], RGB.
    targets : float32 (n, n_labels)
    seed : int32 (2,)
    shape : bool (n_labels,)
        The labels judged by shape: what is taken comes from each of them about as often.
    """
    n = tf.shape(pixels)[0]
    size = pixels.shape[1]
    seeds = tf.random.split(seed, 4)
    region = garment_region(pixels)
    own = _measured(region)
    heads = _heads(pixels, region, own)
    donors = drawn_evenly(targets, shape, n, seeds[0])
    its, head = (_taken(each, donors) for each in (own, heads))
    with_head = tf.random.stateless_uniform([n], seeds[1], *ROOM)
    without = tf.random.stateless_uniform([n], seeds[2], 0.0, CROPPED)
    top = tf.where(head.there, with_head, without) * size  # where the garment is to begin
    times = (size - 1 - top) / (size - 1 - own.top)  # so the lower edge stays where it is
    wider = tf.random.stateless_uniform([n], seeds[3], 0.75, 1.2)
    fitting = tf.clip_by_value(times * own.shoulders / its.shoulders * wider, 0.6, 2.0)
    placed = place(
        tf.concat([head.pixels, head.mask], axis=-1),
        times=fitting,
        point=(its.neck, its.top),
        to=(own.neck, top),
        around="CONSTANT",
    )
    placed *= tf.cast(head.there, tf.float32)[:, None, None, None]
    framed = _begun_at(pixels, own, top, times) * (1 - placed[..., 3:]) + placed[..., :3]
    usable = own.found & (own.top < LOWEST * size)
    return tf.where(usable[:, None, None, None], tf.clip_by_value(framed, 0, 1), pixels)


def _measured(region: Tensor) -> _Garments:
    """Return where the garments are whose regions, float32 (n, size, size, 1), these are."""
    size = region.shape[1]
    line = tf.range(size, dtype=tf.float32)
    flat = region[..., 0]  # (n, size, size)
    rows = tf.reduce_sum(flat, axis=2)  # (n, size)
    mass = tf.cumsum(rows, axis=1) / (tf.reduce_sum(rows, axis=1, keepdims=True) + 1e-3)
    top, bottom = (
        tf.reduce_sum(tf.cast(mass < tail, tf.float32), axis=1) for tail in (TAILS, 1 - TAILS)
    )
    end = top + SHOULDERS * (bottom - top)
    inside = (line[None] >= top[:, None]) & (line[None] <= end[:, None])  # (n, size)
    columns = tf.reduce_sum(flat * tf.cast(inside, tf.float32)[:, :, None], axis=1)  # (n, size)
    total = tf.reduce_sum(columns, axis=1) + 1e-3
    neck = tf.reduce_sum(columns * line, axis=1) / total
    spread = tf.reduce_sum(columns * (line[None] - neck[:, None]) ** 2, axis=1) / total
    return _Garments(
        top=top,
        neck=neck,
        shoulders=tf.maximum(tf.sqrt(12 * spread), 4.0),  # the width of an even spread
        found=(tf.reduce_mean(flat, axis=[1, 2]) > 0.03) & (bottom - top > 0.2 * size),
    )


def _heads(pixels: Tensor, region: Tensor, garments: _Garments) -> _Heads:
    """Return what is above the garments, or hangs down beside them, and is no background."""
    size = pixels.shape[1]
    line = tf.range(size, dtype=tf.float32)
    above = tf.clip_by_value((garments.top[:, None] + HAIR * size - line[None]) / 4, 0, 1)
    near = tf.abs(line[None] - garments.neck[:, None]) < garments.shoulders[:, None]  # (n, size)
    mask = tf.clip_by_value((from_border(pixels) - 0.1) / 0.08, 0, 1)
    mask *= 1 - tf.nn.max_pool2d(region, 5, 1, "SAME")  # else a rim of cloth is left
    mask *= above[:, :, None, None] * tf.cast(near, tf.float32)[:, None, :, None]
    area = tf.reduce_mean(mask, axis=[1, 2, 3])
    return _Heads(
        pixels=pixels * mask,
        mask=mask,
        there=garments.found
        & (area > HEAD[0])
        & (area < HEAD[1])
        & (garments.top > CROPPED * size),
    )


def _taken(batch: Any, rows: Tensor) -> Any:
    """Return these rows of all that is known of a batch."""
    return type(batch)(*(tf.gather(each, rows) for each in batch))


def _begun_at(pixels: Tensor, garments: _Garments, top: Tensor, times: Tensor) -> Tensor:
    """Return the pictures, scaled so that the garments begin at `top`, without what is above."""
    line = tf.range(pixels.shape[1], dtype=tf.float32)
    backdrop = border_median(pixels)
    moved = place(
        pixels - backdrop,
        times=times,
        point=(garments.neck, garments.top),
        to=(garments.neck, top),
        around="CONSTANT",
    )
    below = tf.clip_by_value((line[None] - top[:, None]) / 3 + 1, 0, 1)  # (n, size)
    return backdrop + moved * below[:, :, None, None]
