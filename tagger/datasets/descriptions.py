"""Pictures as numbers that know only their colors, or only their outlines.

Both are coarse on purpose: they are to say which of the two tells labels apart, not to be good at
it.
"""

import cv2
import numpy as np

from tagger.arrays import Float32Array, Pixels

_SIDE = 48  # px, to which pictures are reduced
_LEVELS = (5, 9, 9)  # bins of lightness, and of green to red, and of blue to yellow
_RANGES = ((0.0, 100.0), (-60.0, 60.0), (-60.0, 60.0))  # CIELAB; what is beyond is in the last bin
_NEAR, _FAR = 4.0, 16.0  # CIELAB distance from the border: surely background, surely not
_LEAST = 0.08  # share of the middle that must differ from the border, or all of it counts
_CELL = 8  # px
_DIRECTIONS = 9
_FAINT = 140.0  # gradient that is noise in a block of cells, as its length


def color_description(pixels: Pixels) -> Float32Array:
    """Return float32 (491,): which colors the middle has that the border has not, nothing of where.

    A histogram over CIELAB, each pixel spread over neighbouring bins, with those of lightness and
    of hue alone; square roots, so that distances are Hellinger's.

    Parameters
    ----------
    pixels : uint8 (size, size, 3) RGB
    """
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    histogram = _histogram(lab.reshape(-1, 3), _weights(lab).ravel())
    parts = (histogram.ravel(), histogram.sum(axis=(1, 2)), histogram.sum(axis=0).ravel())
    return np.asarray(np.sqrt(np.concatenate(parts)), np.float32)


def outline_description(pixels: Pixels) -> Float32Array:
    """Return float32 (900,): where edges run in which direction, nothing of which colors they part.

    Histograms of oriented gradients (Dalal and Triggs 2005) of a blurred grey picture: directions
    without sign, each block of 2 x 2 cells of 8 px as strong as any other. Blurred, so that a
    cloth's pattern counts less than its cut.

    Parameters
    ----------
    pixels : uint8 (size, size, 3) RGB
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(grey, (0, 0), pixels.shape[0] / 80)
    small = cv2.resize(blurred, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    cells = _directions(np.asarray(x, np.float32), np.asarray(y, np.float32))
    blocks = np.concatenate(
        [cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]], axis=-1
    )
    lengths = np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + _FAINT**2)
    # No single direction may outweigh all others of its block.
    return np.asarray(np.minimum(blocks / lengths, 0.3).ravel(), np.float32)


def _weights(lab: Float32Array) -> Float32Array:
    """Return (side, side) that sum to 1: how much of each pixel is of the thing in the middle."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE - 0.5
    middle = np.exp(-((x / 0.23) ** 2 + (y / 0.31) ** 2) / 2)
    border = np.concatenate([*lab[:2], *lab[-2:], lab[:, 0], lab[:, -1]])
    of_it = border[::12]  # a few of its pixels stand for all
    nearest = ((lab**2).sum(axis=-1)[..., None] - 2 * lab @ of_it.T + (of_it**2).sum(axis=-1)).min(
        axis=-1
    )  # (side, side), squared
    distance = np.sqrt(np.maximum(nearest, 0))
    weights = middle * np.clip((distance - _NEAR) / (_FAR - _NEAR), 0, 1)
    if weights.sum() < _LEAST * middle.sum():  # white on white, or nothing but cloth
        weights = middle
    return np.asarray(weights / weights.sum(), np.float32)


def _histogram(lab: Float32Array, weights: Float32Array) -> Float32Array:
    """Return (levels) of pixels (n, 3), each shared among the eight bins around it."""
    at = []
    for channel, (low, high), bins in zip(lab.T, _RANGES, _LEVELS, strict=True):
        place = np.clip((channel - low) / (high - low), 0, 1) * (bins - 1)
        below = np.minimum(place.astype(np.int64), bins - 2)
        over = place - below
        at.append(((below, 1 - over), (below + 1, over)))
    total = np.zeros(_LEVELS, np.float64).ravel()
    for i, share_i in at[0]:
        for j, share_j in at[1]:
            for k, share_k in at[2]:
                bins_of = np.ravel_multi_index((i, j, k), _LEVELS)
                shares = weights * share_i * share_j * share_k
                total += np.bincount(bins_of, shares, minlength=total.size)
    return np.asarray(total.reshape(_LEVELS), np.float32)


def _directions(x: Float32Array, y: Float32Array) -> Float32Array:
    """Return (cells, cells, directions): how much of each cell's edges run in which direction."""
    strength = np.hypot(x, y)
    turn = np.mod(np.arctan2(y, x), np.pi) / np.pi * _DIRECTIONS
    below = np.floor(turn).astype(np.int64)
    over = turn - below
    pixel = np.arange(_SIDE) // _CELL
    across = _SIDE // _CELL
    cell = (pixel[:, None] * across + pixel) * _DIRECTIONS
    size = across * across * _DIRECTIONS
    total = np.bincount(
        (cell + below % _DIRECTIONS).ravel(), (strength * (1 - over)).ravel(), minlength=size
    )
    total += np.bincount(
        (cell + (below + 1) % _DIRECTIONS).ravel(), (strength * over).ravel(), minlength=size
    )
    return np.asarray(total.reshape(across, across, _DIRECTIONS), np.float32)
