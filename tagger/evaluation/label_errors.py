"""Labels that a model doubts, and near-duplicates that contradict one another. Arrays in, a table
out.

Doubts are found by confident learning: C. Northcutt et al., "Confident Learning: Estimating
Uncertainty in Dataset Labels", JAIR 2021, as implemented in cleanlab. A picture is listed where
another label is likelier than the given one by more than the model's usual sureness of each. A
model has partly learned the faults of its own training pictures, so of those fewer are found than
of others.
"""

import warnings

import numpy as np
import pandas as pd

from tagger.arrays import Float32Array, Float64Array, Int64Array
from tagger.labels.views import group_probabilities, true_answers
from tagger.labels.vocabulary import Vocabulary
from tagger.libraries import NEEDED_TO_AUDIT, require

NONE = "none"


def doubted_labels(
    logits: Float32Array, targets: Float32Array, vocabulary: Vocabulary
) -> pd.DataFrame:
    """Return one row per doubted entry, the most doubtful first: row, group, given, suggested, and
    both probabilities.

    Parameters
    ----------
    logits, targets : float32 (n, n_labels)
        Targets are 1, 0, or NaN; pictures about which a group is unknown are not looked at.
    """
    tables = [
        pd.DataFrame(columns=["row", "group", "given", "suggested", "p_given", "p_suggested"])
    ]
    for title, names, members in _questions(vocabulary):
        answers, is_known = true_answers(targets, members)
        known = np.flatnonzero(is_known)
        if not len(known):
            continue
        given = answers[known]
        probabilities = group_probabilities(logits[known], members)
        # An answer that no picture has is nobody's right label here.
        probabilities[:, np.setdiff1d(range(len(names)), given)] = 0
        worst = _issues(given, probabilities)
        suggested = probabilities[worst].argmax(axis=1)
        tables.append(
            pd.DataFrame(
                {
                    "row": known[worst],
                    "group": title,
                    "given": [names[k] for k in given[worst]],
                    "suggested": [names[k] for k in suggested],
                    "p_given": probabilities[worst, given[worst]].round(4),
                    "p_suggested": probabilities[worst, suggested].round(4),
                }
            )
        )
    found = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
    return found.sort_values(["p_given", "row"], kind="stable", ignore_index=True)


def contradictions(
    clusters: Int64Array, targets: Float32Array, vocabulary: Vocabulary
) -> pd.DataFrame:
    """Return row, group, given, family: one row per picture of a near-duplicate family that differs
    in a group."""
    rows = []
    order = np.argsort(clusters, kind="stable")
    families = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)
    for family in (family for family in families if len(family) > 1):
        for title, names, members in _questions(vocabulary):
            answers, is_known = true_answers(targets[family], members)
            known, given = family[is_known], answers[is_known]
            if len(np.unique(given)) > 1:
                name = int(clusters[family[0]])
                rows += [
                    (int(row), title, names[k], name) for row, k in zip(known, given, strict=True)
                ]
    return pd.DataFrame(rows, columns=["row", "group", "given", "family"])


def _questions(vocabulary: Vocabulary) -> list[tuple[str, list[str], list[int]]]:
    """Return (group, names of the possible answers, columns): one per exclusive group, one per
    label of the others."""
    exclusive = {group.name for group in vocabulary.exclusive_groups}
    questions = []
    for group in vocabulary.groups:
        members = vocabulary.members(group.name)
        each = [members] if group.name in exclusive else [[i] for i in members]
        questions += [
            (group.name, [*(vocabulary.labels[i].name for i in part), NONE], part)
            for part in each
            if part
        ]
    return questions


def _issues(given: Int64Array, probabilities: Float64Array) -> Int64Array:
    require(*NEEDED_TO_AUDIT)
    from cleanlab.filter import find_label_issues

    present, compact = np.unique(given, return_inverse=True)
    if len(present) < 2:
        return np.zeros(0, np.int64)
    shares = probabilities[:, present] + 1e-9
    shares = shares / shares.sum(axis=1, keepdims=True)  # what is left must add up to 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about rare answers
        found = find_label_issues(
            compact, shares, return_indices_ranked_by="self_confidence", n_jobs=1
        )
    return np.asarray(found, np.int64)
