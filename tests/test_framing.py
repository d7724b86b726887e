"""What is above a garment is exchanged, and the garment stays; scraps have a color and no shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.arrays import Float32Array

pytestmark = pytest.mark.tensorflow
SIDE = 96
CLOTH = (0.1, 0.2, 0.7)
HAIR = (0.5, 0.3, 0.1)


def garments(n: int, *, heads: slice) -> Float32Array:
    """Return pictures of blue squares on white that begin at row 40, some with a head above."""
    pictures = np.ones((n, SIDE, SIDE, 3), np.float32)
    pictures[:, 40:84, 28:68] = CLOTH
    pictures[heads, 14:39, 40:56] = HAIR
    return pictures


def has_hair(pictures: Float32Array) -> Float32Array:
    """Return float32 (n,): how many pixels of each picture are hair."""
    return np.asarray((np.abs(pictures - HAIR).max(axis=-1) < 0.12).sum(axis=(1, 2)), np.float32)


def exchanged(pictures: Float32Array, targets: list[list[float]], seed: int) -> Float32Array:
    from tagger.backend import tf
    from tagger.training.framing import exchange_tops

    result = exchange_tops(
        tf.constant(pictures),
        tf.constant(targets),
        tf.constant([seed, 1]),
        shape=tf.constant([True] * len(targets[0])),
    )
    return np.asarray(result.numpy(), np.float32)


def test_heads_come_above_garments_that_had_none_and_leave_those_that_had_one() -> None:
    dresses, shirts = [[1.0, 0.0]] * 8, [[0.0, 1.0]] * 24
    pictures = garments(32, heads=slice(0, 8))
    found = np.stack([has_hair(exchanged(pictures, dresses + shirts, seed)) for seed in range(6)])
    assert has_hair(pictures)[8:].max() == 0
    # One of four has a head, but half of what is taken comes from dresses.
    assert 0.3 < (found[:, 8:] > 50).mean() < 0.7
    assert 0.3 < (found[:, :8] < 10).mean() < 0.7


def test_a_garment_that_is_cut_off_below_is_cut_off_there_still_and_keeps_its_color() -> None:
    pictures = garments(16, heads=slice(0, 8))
    pictures[:, 84:, 28:68] = CLOTH  # else a shirt would become a short dress
    changed = exchanged(pictures, [[1.0]] * 16, 3)
    assert not np.array_equal(changed, pictures)
    cloth = np.abs(changed - CLOTH).max(axis=-1) < 0.1  # (n, SIDE, SIDE)
    assert cloth[:, -1].any(axis=1).all()
    assert cloth.sum(axis=(1, 2)).min() > 400


def test_a_picture_without_a_garment_stays_as_it_is() -> None:
    blank = np.full((6, SIDE, SIDE, 3), 0.8, np.float32)
    low = np.ones((6, SIDE, SIDE, 3), np.float32)
    low[:, 60:90, 30:66] = CLOTH  # below the middle: what is above it is another garment, perhaps
    pictures = np.concatenate([blank, low])
    assert np.array_equal(exchanged(pictures, [[1.0]] * 12, 2), pictures)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_the_same_seed_exchanges_the_same_and_busy_pictures_do_no_harm(seed: int) -> None:
    busy = np.random.default_rng(seed).random((8, SIDE, SIDE, 3)).astype(np.float32)
    pictures = np.concatenate([garments(8, heads=slice(0, 4)), busy])
    changed = exchanged(pictures, [[1.0]] * 16, seed)
    assert np.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert np.array_equal(changed, exchanged(pictures, [[1.0]] * 16, seed))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_a_scrap_has_the_color_of_its_cloth_on_the_color_of_its_border(seed: int) -> None:
    from tagger.backend import tf
    from tagger.training.scraps import cut_scraps

    pictures = tf.constant(garments(8, heads=slice(0, 0)))
    scraps = cut_scraps(pictures, tf.constant([seed, 2])).numpy()
    assert np.isfinite(scraps).all()
    assert scraps.min() >= 0
    assert scraps.max() <= 1
    corner = scraps[:, 0, 0]
    assert np.abs(corner - 1).max(axis=-1).min() < 0.01  # white around some of them
    bluer = scraps[..., 2] - scraps[..., 0]
    assert (bluer > 0.3).any()
    assert np.array_equal(scraps, cut_scraps(pictures, tf.constant([seed, 2])).numpy())
