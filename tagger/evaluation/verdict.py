"""The verdict on a model: is it better than always giving the commonest answer?

Arrays in, plain words out.
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from schemas.evaluation import GroupVerdict, Verdict
from tagger.arrays import BoolArray, Float32Array, FloatArray
from tagger.evaluation.metrics import wilson
from tagger.labels.views import tag_matrix
from tagger.labels.vocabulary import Group, Vocabulary

BETTER: Final = "better"
NO_BETTER: Final = "no better"
TOO_FEW: Final = "too few"


def give_verdict(
    logits: FloatArray, targets: Float32Array, thresholds: FloatArray, vocabulary: Vocabulary
) -> Verdict:
    """Return the verdict on each group, and on the model.

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
    tags = tag_matrix(logits, thresholds, vocabulary)  # (n, n_labels)
    truth = targets == 1  # (n, n_labels)
    known = ~np.isnan(targets)  # (n, n_labels)
    groups = []
    for group in vocabulary.groups:
        if members := vocabulary.members(group.name):
            here = known[:, members].all(axis=1)
            names = [vocabulary.labels[i].name for i in members]
            groups.append(_group(group, names, tags[here][:, members], truth[here][:, members]))
    found = {row.verdict for row in groups}
    complete = known.all(axis=1)
    all_right = int((tags == truth)[complete].all(axis=1).sum())
    return Verdict(
        passed=BETTER in found or NO_BETTER not in found,
        sentence=_sentence(groups, all_right, int(complete.sum())),
        pictures=int(complete.sum()),
        all_right=all_right,
        groups=groups,
    )


def _group(group: Group, names: Sequence[str], tags: BoolArray, truth: BoolArray) -> GroupVerdict:
    """Return the verdict on one group.

    Parameters
    ----------
    tags, truth : bool (n, n_members)
        Of the pictures that count.
    """
    n = len(truth)
    right = int((tags == truth).all(axis=1).sum())
    commonest, usual = _commonest(names, truth)
    low, _ = wilson(right, n)
    best, _ = wilson(n, n)  # what all right would show
    verdict: Literal["better", "no better", "too few"] = NO_BETTER
    if low is None or best is None:
        verdict = TOO_FEW
    elif low > usual / n or (not group.exclusive and _fewer_errors(tags, truth)):
        verdict = BETTER
    elif best <= usual / n and right >= usual:
        verdict = TOO_FEW
    return GroupVerdict(
        group=group.name,
        pictures=n,
        right=right,
        low=low,
        commonest=commonest,
        commonest_right=usual,
        verdict=verdict,
    )


def _commonest(names: Sequence[str], truth: BoolArray) -> tuple[str, int]:
    """Return the commonest answer in words, and how many pictures it is right on."""
    if not len(truth):
        return "none", 0
    answers, counts = np.unique(truth, axis=0, return_counts=True)
    given = [name for name, has in zip(names, answers[counts.argmax()], strict=True) if has]
    return " and ".join(given) or "none", int(counts.max())


def _fewer_errors(tags: BoolArray, truth: BoolArray) -> bool:
    """Return whether the tags surely have fewer errors than each label's commoner value.

    That is on surely more pictures than they have more. Where any number of tags may be right,
    hardly a picture has all of them, even of a good model.
    """
    usual = truth.mean(axis=0) > 0.5 if len(truth) else np.zeros(truth.shape[1], bool)
    errors = (tags != truth).sum(axis=1)  # (n,)
    usual_errors = (usual != truth).sum(axis=1)  # (n,)
    wins = int((errors < usual_errors).sum())
    losses = int((errors > usual_errors).sum())
    low, _ = wilson(wins, wins + losses)
    return low is not None and low > 0.5


def _sentence(groups: Sequence[GroupVerdict], all_right: int, complete: int) -> str:
    """Return the verdict in one sentence."""
    parts = [
        f"{row.group} right on {row.right:,} of {row.pictures:,} "
        f"(always {row.commonest}: {row.commonest_right:,})"
        for row in groups
        if row.pictures
    ]
    if complete:
        parts.append(f"all tags right on {all_right:,} of {complete:,}")
    said = "No picture was left to measure it on"
    if parts:
        said = f"On pictures it never saw, it has {', '.join(parts)}"
    verdicts = []
    if no_better := [row.group for row in groups if row.verdict == NO_BETTER]:
        verdicts.append(
            f"in {_listed(no_better)} it is no better than the commonest answer, always given"
        )
    if too_few := [row.group for row in groups if row.verdict == TOO_FEW]:
        verdicts.append(
            f"for {_listed(too_few)} that is too few pictures to tell whether it is better than "
            "guessing"
        )
    return f"{said}; {'; '.join(verdicts) or 'it is better than guessing'}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
