"""The gate: whether a retrained model still knows what its parent knew. Arrays in, plain values
out."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from tagger.arrays import Float32Array, FloatArray
from tagger.evaluation.metrics import average_precision
from tagger.labels.views import tag_matrix, true_answers, view
from tagger.labels.vocabulary import Vocabulary

LABEL_FACTOR = 4
"""Any one label may lose this many times as much as the mean of all: its average precision is that
much less sure."""

ENOUGH_POSITIVES = 10
"""Labels with fewer positives in a part are reported, and refuse nothing: one picture would move
them by points."""


class Answers(NamedTuple):
    """What one of the two models says: calibrated logits (n, its labels), and what they are to be
    read with."""

    logits: FloatArray
    thresholds: FloatArray
    vocabulary: Vocabulary


def compare(part: str, parent: Answers, now: Answers, targets: Float32Array) -> dict[str, Any]:
    """Return an entry of `parts` in gate.json: both models on the old labels, on the pictures of
    one part.

    Parameters
    ----------
    part : str
        What the part is called.
    targets : float32 (n, n_labels)
        In the columns of the new model; 1, 0, or NaN for unknown.
    """
    old = len(parent.vocabulary)
    labels = []
    for i, label in enumerate(parent.vocabulary.labels):
        whole = [
            i,
            *now.vocabulary.split_from(label),
        ]  # an old blue may be called navy now: blue or navy is compared
        positive = (targets[:, whole] == 1).any(axis=1)
        known = positive | ~np.isnan(targets[:, whole]).any(axis=1)
        if positive.any() and not now.vocabulary.labels[i].retired:
            logits = {"parent": parent.logits[:, i], "now": now.logits[:, whole].max(axis=1)}
            aps = {name: average_precision(z[known], positive[known]) for name, z in logits.items()}
            labels.append({"label": label.key, "positives": int(positive.sum()), **aps})
    before, after = (
        tag_matrix(each.logits, each.thresholds, each.vocabulary)[:, :old] for each in (parent, now)
    )
    means = {
        name: float(np.mean([row[name] for row in labels])) if labels else None
        for name in ("parent", "now")
    }
    return {
        "part": part,
        "pictures": len(targets),
        "macro_ap": means,
        "labels": labels,
        "groups": [row for row in _groups(parent, now, targets) if row["pictures"]],
        "tags_changed": float((before != after).any(axis=1).mean()) if len(targets) else 0.0,
    }


def judge(
    parts: Sequence[dict[str, Any]],
    parent: str,
    tolerance: float,
    *,
    measurable: Collection[str] = (),
) -> dict[str, Any]:
    """Return gate.json: passed, unless a part lost over `tolerance` points of macro AP, or a label
    four times that.

    What cannot be compared has not passed.

    Parameters
    ----------
    parts : sequence of dict
        From `compare`.
    parent : str
        The name of the bundle compared with.
    measurable : collection of str
        Labels that the parent was measured on; each must have a picture in some part.
    """
    compared = {row["label"] for part in parts for row in part["labels"]}
    worse = [
        f"not measured: no test picture of the data has {key}"
        for key in measurable
        if key not in compared
    ]
    for part in parts:
        entries = [("macro AP", part["macro_ap"], tolerance)]
        sure = [row for row in part["labels"] if row["positives"] >= ENOUGH_POSITIVES]
        entries += [(f"AP of {row['label']}", row, tolerance * LABEL_FACTOR) for row in sure]
        for what, values, allowed in entries:
            if values["now"] is not None and 100 * (values["parent"] - values["now"]) > allowed:
                change = f"{values['parent']:.4f} > {values['now']:.4f}"
                worse.append(f"{part['part']}: {what} {change}, more than {allowed:g} points")
    return {
        "parent": parent,
        "passed": not worse,
        "tolerance": tolerance,
        "worse": worse,
        "parts": list(parts),
    }


def _groups(parent: Answers, now: Answers, targets: Float32Array) -> list[dict[str, Any]]:
    rows = []
    for group in parent.vocabulary.exclusive_groups:
        old, members = parent.vocabulary.members(group.name), now.vocabulary.members(group.name)
        if not members:
            continue  # all retired
        expected, known = true_answers(targets, members)
        right = np.append(members, -1)[expected]
        askable = known & np.isin(
            right, [*old, -1]
        )  # what only the new model can answer says nothing of the old one
        row: dict[str, Any] = {"group": group.name, "pictures": int(askable.sum())}
        for name, which in _both(parent, now):
            answers = view(
                which.logits, which.thresholds, which.vocabulary.members(group.name)
            ).answer
            row[name] = float((answers == right)[askable].mean()) if askable.any() else None
        rows.append(row)
    return rows


def _both(parent: Answers, now: Answers) -> list[tuple[str, Answers]]:
    return [("parent", parent), ("now", now)]
