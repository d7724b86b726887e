"""What persons said of pictures, as labels: by content, and above what a labelled set gives."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tagger.datasets.labelled_set import Example, LabelledSet, Said
from tagger.labels.vocabulary import LabelKey


@dataclass(frozen=True)
class Settled:
    """A labelled set in which every content is labelled once.

    Attributes
    ----------
    labelled : LabelledSet
        All examples, each in its place; it names as many pictures as there are without those that
        are left out.
    left_out : frozenset of int
        Positions of corrected pictures that do not count.
    both : frozenset of str
        Contents that persons spoke of and a labelled set has too.
    changed : int
        Corrected pictures whose file has other bytes now.
    """

    labelled: LabelledSet
    left_out: frozenset[int] = frozenset()
    both: frozenset[str] = frozenset()
    changed: int = 0


def with_said(example: Example, said: Said) -> Example:
    """Return the example as a person labels it; what the person did not speak of stays."""
    answered = {(group, name) for group, names in said.answers.items() if names for name in names}
    shown = {key for key, shows in said.single.items() if shows}
    kept = {key for key in example.present if key[0] not in said.answers and key not in said.single}
    known = {group for group, names in said.answers.items() if names is not None}
    return replace(
        example,
        present=frozenset(kept | answered | shown),
        known=(example.known - said.answers.keys()) | known,
        single={**example.single, **said.single},
        said=said,
    )


def without_labels(said: Said, keys: Collection[LabelKey]) -> Said:
    """Return what was said with these labels unknown, and the groups that they answer."""
    answers = {
        group: None if names is None or any((group, name) in keys for name in names) else names
        for group, names in said.answers.items()
    }
    single = {key: None if key in keys else shows for key, shows in said.single.items()}
    return replace(said, answers=answers, single=single)


def settle(labelled: LabelledSet, digests: Sequence[str | None]) -> Settled:
    """Return the set after persons had their say: of one content theirs is the last word.

    A picture that a labelled set has too is labelled there and counts once. One whose bytes are
    others now, or of which nothing is known, does not count.

    Parameters
    ----------
    digests : sequence of str or None
        content_sha256 of each example's file as it was decoded; None if it could not be read.
    """
    said = {each.said.content: each.said for each in labelled.examples if each.said is not None}
    if not said:
        return Settled(labelled)
    pairs = list(zip(labelled.examples, digests, strict=True))
    given = frozenset(
        digest for example, digest in pairs if example.said is None and digest in said
    )
    examples = []
    left_out = set()
    changed = 0
    for i, (example, digest) in enumerate(pairs):
        if example.said is None:
            word = said.get(digest or "")
            examples.append(example if word is None else with_said(example, word))
            continue
        examples.append(example)
        other = digest is not None and digest != example.said.content
        changed += other
        if other or digest in given or not example.speaks:
            left_out.add(i)
    named = None if labelled.named is None else labelled.named - len(left_out)
    labelled = replace(labelled, examples=examples, named=named)
    return Settled(labelled, frozenset(left_out), given, changed)
