"""What training minimises: every label's own cross-entropy, and every view's.

Unknown targets, NaN, cost nothing.
"""

from collections.abc import Sequence
from typing import Any

from tagger.backend import tf

Tensor = Any  # TensorFlow ships no types


def masked_loss(targets: Tensor, logits: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the mean sigmoid cross-entropy over the known targets.

    Parameters
    ----------
    targets, logits : float32 (n, n_labels)
        Targets are 1, 0, or NaN for unknown.
    """
    known = tf.logical_not(tf.math.is_nan(targets))  # (n, n_labels)
    wanted = tf.where(known, targets, 0.0) * (1 - smoothing) + smoothing / 2
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)
    count = tf.maximum(tf.reduce_sum(tf.cast(known, tf.float32)), 1.0)
    return tf.reduce_sum(tf.where(known, loss, 0.0)) / count


def view_loss(
    targets: Tensor, logits: Tensor, members: list[int], *, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the sum of the cross-entropies of one group's view, "none" included, and of how many.

    They are of the pictures whose whole group is known.

    Parameters
    ----------
    members : list of int
        Columns of the group's k labels.
    """
    wanted = tf.gather(targets, members, axis=1)  # (n, k)
    z = tf.gather(logits, members, axis=1)  # (n, k)
    known = tf.reduce_all(tf.logical_not(tf.math.is_nan(wanted)), axis=1)  # (n,)
    wanted = tf.where(known[:, None], wanted, 0.0)
    # A parent's scores, which may stand in for labels, add up to anything.
    total = tf.reduce_sum(wanted, axis=1, keepdims=True)  # (n, 1)
    none = tf.maximum(1 - total, 0.0)
    wanted = tf.concat([wanted, none], axis=1) / tf.maximum(total, 1.0)  # (n, k + 1)
    wanted = wanted * (1 - smoothing) + smoothing / (len(members) + 1)
    loss = tf.nn.softmax_cross_entropy_with_logits(wanted, tf.pad(z, [[0, 0], [0, 1]]))
    return tf.reduce_sum(tf.where(known, loss, 0.0)), tf.reduce_sum(tf.cast(known, tf.float32))


def combined_loss(
    targets: Tensor, logits: Tensor, groups: Sequence[list[int]], *, view: float, smoothing: float
) -> Tensor:
    """Return the sigmoid loss plus `view` times the mean loss of the views.

    The mean is over all answers that are known, so that a group of which few pictures say anything
    counts as often as it is known. A mean of the groups' own means gave each answer of a pattern,
    known on one picture in nine, nine times the weight of a color's. What the change gives a large
    set was not measured.

    Parameters
    ----------
    groups : sequence of list of int
        The columns of each exclusive group.
    """
    total = masked_loss(targets, logits, smoothing=smoothing)
    if view and groups:
        views = [view_loss(targets, logits, members, smoothing=smoothing) for members in groups]
        sums, counts = zip(*views, strict=True)
        total += view * tf.add_n(sums) / tf.maximum(tf.add_n(counts), 1.0)
    return total
