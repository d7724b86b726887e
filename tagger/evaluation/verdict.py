"""The verdict on a model: is it better than always giving the commonest answer? Arrays in, plain
words out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tagger.arrays import BoolArray, Float32Array, FloatArray
from tagger.evaluation.metrics import wilson
from tagger.labels.views import tag_matrix
from tagger.labels.vocabulary import Group, Vocabulary

BETTER, NO_BETTER, TOO_FEW = "better", "no better", "too few"


def give_verdict(
    logits: FloatArray, targets: Float32Array, thresholds: FloatArray, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Return the verdict, as declared in `schemas.reports.VERDICT`.

    It has not passed if no group is better than its commonest answer, and of one or more that is
    sure.

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Calibrated, of pictures that nothing saw.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown; a picture counts for a group if all labels of that are known.
    thresholds : float64 (n_labels,)
    """
    tags, truth = tag_matrix(logits, thresholds, vocabulary), targets == 1
    known = ~np.isnan(targets)
    groups = []
    for group in vocabulary.groups:
        if members := vocabulary.members(group.name):
            here = known[:, members].all(axis=1)
            names = [vocabulary.labels[i].name for i in members]
            groups.append(_group(group, names, tags[here][:, members], truth[here][:, members]))
    found = {row["verdict"] for row in groups}
    complete = known.all(axis=1)
    all_right = int((tags == truth)[complete].all(axis=1).sum())
    return {
        "passed": BETTER in found or NO_BETTER not in found,
        "sentence": _sentence(groups, all_right, int(complete.sum())),
        "pictures": int(complete.sum()),
        "all_right": all_right,
        "groups": groups,
    }


def _group(group: Group, names: Sequence[str], tags: BoolArray, truth: BoolArray) -> dict[str, Any]:
    """Return an entry of `groups`: `tags` and `truth` are bool (n, n_members) of the pictures that
    count."""
    n, right, commonest, usual = len(truth), int((tags == truth).all(axis=1).sum()), "none", 0
    if n:
        answers, counts = np.unique(truth, axis=0, return_counts=True)
        usual = int(counts.max())
        given = [name for name, has in zip(names, answers[counts.argmax()], strict=True) if has]
        commonest = " and ".join(given) or "none"
    low, best = wilson(right, n)[0], wilson(n, n)[0]  # best is what all right would show
    verdict = NO_BETTER
    if low is None or best is None:
        verdict = TOO_FEW
    elif low > usual / n or (not group.exclusive and _fewer_errors(tags, truth)):
        verdict = BETTER
    elif best <= usual / n and right >= usual:
        verdict = TOO_FEW
    row = {"group": group.name, "pictures": n, "right": right, "low": low}
    return row | {"commonest": commonest, "commonest_right": usual, "verdict": verdict}


def _fewer_errors(tags: BoolArray, truth: BoolArray) -> bool:
    """Return whether the tags have fewer errors than each label's commoner value, on surely more
    pictures than not.

    Where any number of tags may be right, hardly a picture has all of them, even of a good model.
    """
    usual = truth.mean(axis=0) > 0.5 if len(truth) else np.zeros(truth.shape[1], bool)
    errors, usual_errors = (tags != truth).sum(axis=1), (usual != truth).sum(axis=1)
    wins, losses = int((errors < usual_errors).sum()), int((errors > usual_errors).sum())
    low, _ = wilson(wins, wins + losses)
    return low is not None and low > 0.5


def _sentence(groups: Sequence[dict[str, Any]], all_right: int, complete: int) -> str:
    """Return the verdict in one sentence."""
    parts = [
        f"{row['group']} right on {row['right']:,} of {row['pictures']:,} (always "
        f"{row['commonest']}: "
        f"{row['commonest_right']:,})"
        for row in groups
        if row["pictures"]
    ]
    if complete:
        parts.append(f"all tags right on {all_right:,} of {complete:,}")
    said = (
        f"On pictures it never saw, it has {', '.join(parts)}"
        if parts
        else "No picture was left to measure it on"
    )
    verdicts = []
    if no_better := [row["group"] for row in groups if row["verdict"] == NO_BETTER]:
        verdicts.append(
            f"in {_listed(no_better)} it is no better than the commonest answer, always given"
        )
    if too_few := [row["group"] for row in groups if row["verdict"] == TOO_FEW]:
        verdicts.append(
            f"for {_listed(too_few)} that is too few pictures to tell whether it is better than "
            "guessing"
        )
    if not verdicts:
        verdicts.append("it is better than guessing")
    return f"{said}; {'; '.join(verdicts)}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
