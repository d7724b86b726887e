import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.tensorflow


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.1, 1))
def test_a_patched_picture_teaches_what_it_shows(seed: int, share: float) -> None:
    from tagger.backend import tf
    from tagger.training.cutmix import LARGEST, patch

    shown = np.random.default_rng(seed).integers(0, 2, 40).astype(np.float32)
    pictures = np.broadcast_to(shown[:, None, None, None], (40, 24, 24, 3))
    x, y = patch(
        tf.constant(pictures), tf.constant(shown[:, None]), tf.constant([seed, 1]), share=share
    )
    assert np.allclose(x.numpy().mean((1, 2, 3)), y.numpy()[:, 0], atol=1e-5)
    changed = np.abs(y.numpy()[:, 0] - shown)
    assert changed.max() <= LARGEST + 0.05  # whole pixels
    again, _ = patch(
        tf.constant(pictures), tf.constant(shown[:, None]), tf.constant([seed, 1]), share=share
    )
    assert np.array_equal(x, again)


def test_unknown_spreads_with_the_piece_and_no_further() -> None:
    from tagger.backend import tf
    from tagger.training.cutmix import patch

    targets = np.full((200, 2), 1, np.float32)
    targets[::2, 0] = np.nan
    pictures = np.random.default_rng(0).random((200, 24, 24, 3), np.float32)
    x, y = patch(tf.constant(pictures), tf.constant(targets), tf.constant([1, 2]), share=0.5)
    untouched = (x.numpy() == pictures).all((1, 2, 3))
    assert 60 < untouched.sum() < 140
    assert np.array_equal(np.isnan(y.numpy()[untouched, 0]), np.isnan(targets[untouched, 0]))
    assert np.isnan(y.numpy()[::2, 0]).all()
    assert np.isnan(y.numpy()[1::2, 0]).any()
    assert (y.numpy()[:, 1] == 1).all()
