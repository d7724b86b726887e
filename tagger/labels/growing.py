"""Growing a vocabulary: what is appended, and what older pictures were never asked."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from tagger.arrays import Float32Array, Int64Array
from tagger.errors import InputError, VocabularyError
from tagger.labels.folding import folded
from tagger.labels.vocabulary import (
    Label,
    LabelKey,
    Vocabulary,
    canonical_name,
    in_column_order,
    label_key,
)
from tagger.settings import setting


def parse_label(text: str, vocabulary: Vocabulary, option: str) -> LabelKey:
    """Return the `(group, name)` of `GROUP:LABEL`.

    Raises
    ------
    InputError
        If there is no such group, or no name.
    """
    group, name = label_key(text)
    names = [each.name for each in vocabulary.groups]
    if not name or group not in names:
        raise InputError(
            f"{option} {text!r}: write GROUP:LABEL, where GROUP is one of {', '.join(names)}"
        )
    return group, name


def parse_known_label(text: str, vocabulary: Vocabulary, option: str) -> LabelKey:
    """Return the key of a label that the vocabulary has, from `GROUP:LABEL` or its name alone.

    Raises
    ------
    InputError
        If it has none, or several, of that name.
    """
    group, name = label_key(text)
    found = [
        (x.group, x.name)
        for x in vocabulary.labels
        if x.name == canonical_name(text) or (x.group, x.name) == (group, name)
    ]
    if len(found) != 1:
        there = ", ".join(label.key for label in vocabulary.labels)
        raise InputError(
            f"{option} {text!r}: {'several labels' if found else 'no label'} of that name in "
            f"{there}"
        )
    return found[0]


def grow(
    vocabulary: Vocabulary,
    strangers: Counter[str],
    added: Sequence[LabelKey],
    *,
    accept: bool,
    splits: Sequence[tuple[str, LabelKey]] = (),
    since: str,
) -> Vocabulary:
    """Return the vocabulary with new labels appended, those that were declared first.

    Parameters
    ----------
    strangers : Counter
        Labels of the data that `vocabulary` does not have, as `group:name`, by pictures.
    added : sequence of (group, name)
        Those that were declared.
    accept : bool
        Whether those that were not are appended too.
    splits : sequence of (new name, (group, old name))
        Old labels, and the new one that is split from each; without a new name the only new one of
        the group.
    since : str
        The bundle that will have them first.

    Raises
    ------
    VocabularyError
        For labels that were not declared, with what they may have been meant to be; for declared
        ones that are there already or that no picture has; for splits that do not say which new
        label is meant.
    """
    _check_declared(vocabulary, strangers, added)
    declared = {f"{group}:{name}" for group, name in added}
    undeclared = Counter({key: n for key, n in strangers.items() if key not in declared})
    if undeclared and not accept:
        known = [label.key for label in vocabulary.labels] + sorted(declared)
        raise VocabularyError(_undeclared(undeclared, known))
    new = [*added, *in_column_order(map(split_key, undeclared), vocabulary.groups)]
    return vocabulary.extend(new, since=since, splits=_split(new, splits))


def _check_declared(
    vocabulary: Vocabulary, strangers: Counter[str], added: Sequence[LabelKey]
) -> None:
    for group, name in added:
        if vocabulary.index(group, name) is not None:
            raise VocabularyError(
                f"{setting('add')} {group}:{name}: the model has this label already; columns are "
                "never reused"
            )
        if not strangers[f"{group}:{name}"]:
            raise VocabularyError(
                f"{setting('add')} {group}:{name}: no picture of the data has it; new are "
                f"{_listed(strangers)}"
            )


def _undeclared(undeclared: Counter[str], known: Sequence[str]) -> str:
    """Return what is wrong with labels that were not declared, and what to do."""
    lines = "; ".join(
        f"{key} ({n:,} pictures{_meant(key, known)})" for key, n in undeclared.most_common()
    )
    return (
        f"labels in the data that the model does not have and that {setting('add')} does not name: "
        f"{lines}. Correct them, declare them with {setting('add')} GROUP:LABEL, or take them all "
        f"with {setting('accept_new_labels')}"
    )


def _split(
    new: Sequence[LabelKey], splits: Sequence[tuple[str, LabelKey]]
) -> dict[LabelKey, tuple[str, ...]]:
    """Return, per new label, the old names it is split from."""
    result: dict[LabelKey, tuple[str, ...]] = {}
    for name, (group, old) in splits:
        here = [key for key in new if key[0] == group and name in ("", key[1])]
        if len(here) != 1:
            there = ", ".join(key[1] for key in new if key[0] == group) or "none"
            raise VocabularyError(
                f"{setting('splits')} {group}:{old}: say which new label is split from it, "
                f"NEW={old}; new in {group}: {there}"
            )
        result[here[0]] = (*result.get(here[0], ()), old)
    return result


def split_key(key: str) -> LabelKey:
    """Return the `(group, name)` of a label's key."""
    group, _, name = key.partition(":")
    return group, name


def unjudged(targets: Float32Array, vocabulary: Vocabulary, judged: Int64Array) -> Float32Array:
    """Return targets, NaN where a picture is older than a label and so was never judged for it.

    This is the one place that says so. A label that a picture has is known whenever it came.
    Otherwise, in a group that is not exclusive, an older picture says nothing about a newer label.
    In an exclusive group its answer means no for all others, the newer ones too, unless the newer
    label was split from that very answer; no answer says nothing.

    Parameters
    ----------
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown.
    judged : int64 (n,)
        How many labels, the first of the vocabulary, there were when the picture was labelled.
    """
    result = targets.copy()
    for i, label in enumerate(vocabulary.labels):
        never = (judged <= i) & (targets[:, i] != 1)
        if vocabulary.group(label.group).exclusive:
            others = [j for j in vocabulary.members(label.group) if j != i]
            answering = [j for j in others if vocabulary.labels[j].name not in label.splits]
            never &= ~(targets[:, answering] == 1).any(axis=1)
        result[never, i] = np.nan
    return result


def older_names(labels: Sequence[Label], known: Collection[LabelKey]) -> dict[LabelKey, list[str]]:
    """Return, of labels that are not among `known`, the names there that each was split from.

    Who knows blue alone says blue for what another calls navy, so that navy is no mistake where
    blue is right. A label may have been split from one that was split itself; labels that were
    split from none of `known` are left out, and so are retired ones, which nothing answers.

    Parameters
    ----------
    labels : sequence of Label
        All of a vocabulary.
    known : collection of (group, name)
        What another vocabulary answers.
    """
    splits = {(label.group, label.name): label.splits for label in labels}
    found = {}
    for label in labels:
        key = (label.group, label.name)
        if label.retired or key in known:
            continue
        names = _traced(label.group, label.splits, splits, known)
        if names:
            found[key] = names
    return found


def _traced(
    group: str,
    names: Sequence[str],
    splits: Mapping[LabelKey, tuple[str, ...]],
    known: Collection[LabelKey],
) -> list[str]:
    """Return the nearest of `known` to which splits lead back from names of a group."""
    found: list[str] = []
    seen: set[str] = set()
    left = list(names)
    while left:
        name = left.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if (group, name) in known:
            found.append(name)
        else:
            left += splits.get((group, name), ())
    return found


def _meant(key: str, known: Iterable[str]) -> str:
    group, name = split_key(key)
    names = [other for its_group, other in map(split_key, known) if its_group == group]
    close = get_close_matches(name, names, n=1, cutoff=0.75)
    return f", did you mean {close[0]}?" if close else ""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{key} ({n:,})" for key, n in counts.most_common(12)) or "no labels at all"


def columns_of_same_names(vocabulary: Vocabulary, other: Vocabulary) -> tuple[int | None, ...]:
    """Return for each label the column of the label in `other` that has its name, or None.

    That of a group of the same name comes first; else it must be the only one of its name. Names
    are the same as `tagger.labels.folding` says. Retired labels have none.
    """
    by_key: dict[LabelKey, int] = {}
    by_name: dict[str, list[int]] = {}
    for i, label in enumerate(other.labels):
        if not label.retired:
            by_key[label.group, folded(label.name)] = i
            by_name.setdefault(folded(label.name), []).append(i)

    def column(label: Label) -> int | None:
        name = folded(label.name)
        alike = by_name.get(name, [])
        alone = alike[0] if len(alike) == 1 else None
        return by_key.get((label.group, name), alone)

    return tuple(column(label) for label in vocabulary.labels)
