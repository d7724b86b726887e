"""What training does to pictures: which labels each change teaches, and what it leaves as it
was."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.datasets.sample import COLORS, GARMENTS, draw
from tagger.training.judged import Judged

pytestmark = pytest.mark.tensorflow

# A color, a garment, a pattern, another.
BY = Judged(
    shape=np.array([False, True, False, False]),
    pixels=np.array([True, False, False, False]),
    texture=np.array([False, False, True, False]),
)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Drawn garments, float32 (12, 96, 96, 3) in [0, 1], and the RGB of their cloth."""
    import cv2

    random = np.random.default_rng(5)
    pairs = [(color, garment) for color in COLORS for garment in GARMENTS]
    pictures = [
        cv2.resize(draw(*pair, random), (96, 96), interpolation=cv2.INTER_AREA) for pair in pairs
    ]
    return np.stack(pictures).astype(np.float32) / 255, np.array(
        [COLORS[color] for color, _ in pairs]
    ) / 255


def batch(n: int = 8) -> tuple[Any, Any]:
    from tagger.backend import tf

    pixels = tf.constant(np.random.default_rng(0).integers(0, 256, (n, 48, 48, 3)), tf.uint8)
    return pixels, tf.constant(np.tile([1.0, 0.0, 1.0, 1.0], (n, 1)), tf.float32)


def test_each_change_teaches_what_survives_it_and_shuffling_that_no_shape_is_there() -> None:
    from tagger.backend import tf
    from tagger.training.augmentation import Mix, augment

    pixels, targets = batch()
    given_ = {"mix": Mix(recoloured=2, shuffled=3, blurred=1), "by": BY}
    x, y = augment(pixels, targets, tf.constant([1, 2]), **given_)
    assert x.shape == (8, 48, 48, 3)
    assert float(tf.reduce_min(x)) >= 0
    assert float(tf.reduce_max(x)) <= 1
    assert (~np.isnan(y)).tolist() == (
        [[True] * 4] * 2
        + [[False, True, True, False]] * 2
        + [[True, True, True, False]] * 3
        + [[True, True, False, False]]
    )
    assert (y.numpy()[4:7, 1] == 0).all()  # what is cut up has no shape
    again, _ = augment(pixels, targets, tf.constant([1, 2]), **given_)
    other, _ = augment(pixels, targets, tf.constant([1, 3]), **given_)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)


def test_pictures_are_turned_as_tensorflow_turns_them() -> None:
    from tagger.backend import tf
    from tagger.training.augmentation import read_through

    random = np.random.default_rng(6)
    pixels = random.random((16, 48, 48, 3), np.float32)
    matrices = random.normal(0, 0.3, (16, 2, 3)).astype(np.float32)
    matrices[:, [0, 1], [0, 1]] += 1
    matrices[:, :, 2] *= 30  # far over the edge too
    flat = np.concatenate([matrices.reshape(16, 6), np.zeros((16, 2), np.float32)], axis=1)
    wanted = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=flat,
        output_shape=[48, 48],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    assert np.abs(read_through(pixels, matrices) - wanted).max() < 1e-4


def test_a_blurred_picture_keeps_its_colours_and_loses_its_stripes() -> None:
    from tagger.backend import tf
    from tagger.training.blurring import blur

    striped = np.zeros((2, 96, 96, 3), np.float32)
    striped[:, :, ::4] = striped[:, :, 1::4] = [0.9, 0.3, 0.1]
    for seed in range(8):
        blurred = blur(tf.constant(striped), tf.constant([0, seed])).numpy()
        assert blurred.shape == striped.shape
        assert np.allclose(blurred.mean((1, 2)), striped.mean((1, 2)), atol=0.01)
        assert blurred.std((1, 2)).max() < 0.2 * striped.std((1, 2)).max()


def test_the_plain_recipe_changes_no_label() -> None:
    from tagger.backend import tf
    from tagger.training.augmentation import Mix, augment
    from tagger.training.recipe import Recipe

    recipe = Recipe.plain()
    assert (
        recipe.recoloured
        == recipe.shuffled
        == recipe.dyed
        == recipe.blurred
        == recipe.view
        == recipe.average
        == recipe.smoothing
        == 0
    )
    pixels, targets = batch()
    x, y = augment(pixels, targets, tf.constant([1, 2]), mix=Mix(), by=BY)
    assert x.shape == pixels.shape
    assert np.array_equal(y, targets)


def test_a_dyed_picture_keeps_its_shape_s_labels_and_takes_the_colour_of_its_donor(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    from tagger.backend import tf
    from tagger.training.garments import garment_region
    from tagger.training.recombining import recombine

    pictures, _ = drawn
    n, names = len(pictures), list(COLORS)
    shape = np.array([False] * len(names) + [True] * len(GARMENTS) + [False])
    colour = np.array([True] * len(names) + [False] * (len(GARMENTS) + 1))
    targets = np.zeros((n, len(shape)), np.float32)
    targets[np.arange(n), np.repeat(range(len(names)), len(GARMENTS))] = 1
    targets[np.arange(n), len(names) + np.tile(range(len(GARMENTS)), len(names))] = 1
    dyed, taught = recombine(
        tf.constant(pictures),
        tf.constant(targets),
        tf.range(n),
        tf.constant([4, 4]),
        by=Judged(shape=shape, pixels=colour, texture=np.zeros_like(shape)),
    )
    taught = taught.numpy()
    assert np.array_equal(taught[:, shape], targets[:, shape])
    assert np.isnan(taught[:, -1]).all()  # judged by both: unknown
    told = ~np.isnan(taught[:, 0])
    assert told.mean() > 0.8
    assert (taught[told][:, colour].sum(axis=1) == 1).all()
    region = garment_region(tf.constant(pictures)).numpy()
    mean = (dyed.numpy() * region).sum((1, 2)) / region.sum((1, 2))
    palette = np.array(list(COLORS.values())) / 255
    nearest = np.linalg.norm(mean[:, None] - palette, axis=-1).argmin(axis=1)
    assert (nearest == taught[:, colour].argmax(axis=1))[told].mean() > 0.8
    outside = region[..., 0] == 0
    assert np.array_equal(dyed.numpy()[outside], pictures[outside])


def test_the_garment_s_region_is_where_the_garment_is(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    from tagger.training.garments import garment_region

    pictures, cloth = drawn
    region = garment_region(pictures).numpy()[..., 0]
    assert region.shape == (12, 96, 96)
    assert region.min() >= 0
    assert region.max() <= 1
    is_cloth = np.linalg.norm(pictures - cloth[:, None, None], axis=-1) < 0.25
    inside, outside = (region > 0.5) & is_cloth, (region > 0.5) & ~is_cloth
    assert (inside.sum((1, 2)) > 3 * outside.sum((1, 2))).mean() > 0.8


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_shuffling_moves_pixels_and_loses_none(seed: int) -> None:
    from tagger.backend import tf
    from tagger.training.augmentation import shuffle_tiles

    whole = tf.random.stateless_uniform([2, 24, 24, 3], [3, 4])
    cut = shuffle_tiles(whole, tf.constant([seed, 6]))
    assert np.array_equal(np.sort(whole.numpy().ravel()), np.sort(cut.numpy().ravel()))


def test_a_side_that_no_grid_divides_is_refused() -> None:
    from tagger.backend import tf
    from tagger.training.augmentation import shuffle_tiles

    with pytest.raises(ValueError, match="multiple of none"):
        shuffle_tiles(tf.zeros([1, 25, 25, 3]), tf.constant([1, 2]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_recolouring_keeps_a_plain_picture_plain_and_in_range(seed: int) -> None:
    from tagger.backend import tf
    from tagger.training.augmentation import recolour

    plain = tf.fill([3, 24, 24, 3], 0.4)
    x = recolour(plain, tf.constant([seed, 1])).numpy()
    assert x.min() >= 0
    assert x.max() <= 1
    assert np.ptp(x, axis=(1, 2)).max() < 1e-5
