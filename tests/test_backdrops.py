"""Pictures before other backgrounds: the garment stays, and a busy picture stays as it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.arrays import Float32Array

pytestmark = pytest.mark.tensorflow
SIDE = 48


def on_white(n: int, *, margin: int = 14) -> Float32Array:
    """Return pictures of dark squares in the middle of white."""
    pictures = np.ones((n, SIDE, SIDE, 3), np.float32)
    pictures[:, margin:-margin, margin:-margin] = (0.1, 0.2, 0.5)
    return pictures


def test_a_plain_background_is_what_is_joined_to_the_border() -> None:
    from tagger.backend import tf
    from tagger.training.backdrops import plain_background

    pictures = on_white(2)
    pictures[1, 20:28, 20:28] = 1.0  # a white print on the square is none
    found = plain_background(tf.constant(pictures)).numpy()[..., 0]
    assert found[:, 2:10].min() > 0.99
    assert found[:, 18:30, 18:30].max() < 0.01
    assert 0.82 < found.mean() < 0.9


def test_a_busy_border_is_no_plain_background() -> None:
    from tagger.backend import tf
    from tagger.training.backdrops import plain_background

    busy = np.random.default_rng(0).random((3, SIDE, SIDE, 3)).astype(np.float32)
    assert plain_background(tf.constant(busy)).numpy().max() == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 0.5, 1.0]))
def test_only_the_share_that_is_asked_for_changes_and_the_same_seed_changes_the_same(
    seed: int, share: float
) -> None:
    from tagger.backend import tf
    from tagger.training.backdrops import put_before_backdrops

    pictures = tf.constant(on_white(40))
    drawn = tf.constant([seed, 7])
    changed = put_before_backdrops(pictures, drawn, share=share).numpy()
    assert changed.shape == pictures.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    touched = (changed != pictures.numpy()).any(axis=(1, 2, 3)).mean()
    assert abs(touched - share) < 0.3
    assert np.array_equal(changed, put_before_backdrops(pictures, drawn, share=share).numpy())


def test_the_garment_stays_apart_from_what_is_put_behind_it() -> None:
    from tagger.backend import tf
    from tagger.training.backdrops import put_before_backdrops

    pictures = on_white(60)
    changed = put_before_backdrops(tf.constant(pictures), tf.constant([1, 2]), share=1.0).numpy()
    inside = changed[:, 18:-18, 18:-18].std(axis=(1, 2)).mean()
    middle = changed[:, 18:-18, 18:-18].mean(axis=(1, 2))  # (n, 3): still one dark blue each
    corner = changed[:, :8, :8].mean(axis=(1, 2))
    assert inside < 0.08
    assert (middle[:, 2] > middle[:, 0]).all()
    assert corner.std(axis=0).mean() > 0.15
