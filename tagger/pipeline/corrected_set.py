"""The corrections of an index as a labelled set: what persons said, and where pictures are."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas.corrections import Correction
from tagger.catalog import absolute_path
from tagger.datasets.corrected import with_said, without_labels
from tagger.datasets.labelled_set import Example, LabelledSet, Said
from tagger.errors import DatasetError, StoreError
from tagger.files import file_digest
from tagger.index.corrections import InForce, Question
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.labels.vocabulary import Group, LabelKey, Vocabulary, canonical_name, parse_groups
from tagger.machine import raise_machine_fault
from tagger.progress import say
from tagger.settings import setting


def read_said(index: str) -> tuple[Snapshot, tuple[Group, ...], dict[str, Said]]:
    """Return the night of an index, its groups, and what is in force by content.

    Raises
    ------
    StoreError
        If there is no night, or it or the corrections cannot be read.
    """
    store = Index(index)
    snapshot = store.current()
    if snapshot is None:
        raise StoreError(
            f"{setting('corrections')} {index!r} has no snapshot; name the index that was corrected"
        )
    exclusive = snapshot.manifest.groups
    others = pc.unique(snapshot.labels()["group"]).to_pylist()
    groups = [*exclusive, *(f"{name}+" for name in others if name not in exclusive)]
    in_force = InForce(store.corrections.read().corrections, exclusive)
    every = {content: _said(content, in_force.of(content)) for content in in_force.contents()}
    said = {content: one for content, one in every.items() if one.answers or one.single}
    return snapshot, tuple(parse_groups(",".join(groups))) if groups else (), said


def read_corrected(index: str, groups: Sequence[Group] | None) -> LabelledSet:
    """Return the corrected pictures of an index that its catalog still has.

    Parameters
    ----------
    groups : sequence of Group, optional
        Those that are taught; by default the index's own.

    Raises
    ------
    StoreError
        If the index cannot be read.
    DatasetError
        If nothing was said of these groups.
    """
    snapshot, here, said = read_said(index)
    taught = tuple(here if groups is None else groups)
    spoken = _of_groups(said, taught, here, index)
    catalog = snapshot.manifest.catalog
    places = {
        content: _still_there(catalog, content, image_ids)
        for content, image_ids in places_of(snapshot, spoken).items()
    }
    examples = [
        with_said(
            Example(image_id, absolute_path(catalog, image_id), frozenset(), frozenset()),
            spoken[content],
        )
        for content, image_id in sorted(places.items(), key=lambda each: each[1])
    ]
    gone = len(spoken) - len(examples)
    say(f"{setting('corrections')}: {len(examples):,} corrected pictures")
    if gone:
        say(f"left out: {gone:,} corrected pictures that are not in the catalog any more")
    if not examples:
        raise DatasetError(
            f"{setting('corrections')} {index!r}: the catalog has none of the {len(spoken):,} "
            "corrected pictures any more"
        )
    return LabelledSet(index, examples, taught, gone=gone)


def beside(labelled: LabelledSet, corrected: LabelledSet) -> LabelledSet:
    """Return a labelled set with the corrected pictures after its own."""
    called = Path(corrected.source).resolve().name
    more = [replace(each, image_id=f"{called}/{each.image_id}") for each in corrected.examples]
    return replace(
        labelled,
        source=f"{labelled.source} and the corrections of {corrected.source}",
        examples=[*labelled.examples, *more],
        gone=corrected.gone,
        named=None if labelled.named is None else labelled.named + len(more),
    )


def unknown_where_not_taught(
    labelled: LabelledSet, vocabulary: Vocabulary, *, new_ones: bool
) -> LabelledSet:
    """Return the set with what persons called by other labels unknown, after saying which.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of the model to be.
    new_ones : bool
        Whether labels that it does not have are taken all the same; retired ones never are.
    """
    retired = {(x.group, x.name) for x in vocabulary.labels if x.retired}
    taught = {(x.group, x.name) for x in vocabulary.labels} - retired
    named = Counter(
        key for each in labelled.examples if each.said is not None for key in each.present
    )
    gone = {key: n for key, n in named.items() if key in retired}
    new = {key: n for key, n in named.items() if key not in taught | retired and not new_ones}
    if gone:
        say(f"retired labels that persons named, unknown on their pictures: {_listed(gone)}")
    if new:
        say(
            "labels that persons named and the model does not have, unknown on their pictures: "
            f"{_listed(new)}; to teach one, name it in the vocabulary, or to a retraining with "
            f"{setting('add')} GROUP:LABEL"
        )
    left = {*gone, *new}
    return replace(labelled, examples=[_without(each, left) for each in labelled.examples])


def pictures_with_label(labelled: LabelledSet, key: str) -> str:
    """Return how many pictures have a label, `group:name`, in words.

    Corrected ones are counted apart: before files are read, nobody knows whether the sets have the
    same pictures.
    """
    having = [x for x in labelled.examples if key in (f"{g}:{name}" for g, name in x.present)]
    corrected = sum(each.said is not None for each in having)
    if corrected in (0, len(having)):
        return f"{len(having):,} pictures"
    return f"{len(having) - corrected:,} pictures of the sets, and {corrected:,} corrected ones"


def places_of(snapshot: Snapshot, contents: Collection[str]) -> dict[str, list[str]]:
    """Return the image_ids, in order, of each of these contents that the night has scored."""
    wanted = pa.array(sorted(contents), pa.string())
    found: dict[str, list[str]] = {}
    for part in snapshot.manifest.parts:
        rows = snapshot.read(part.file, ["image_id", "content_sha256", "status"])
        here = pc.and_(
            pc.equal(rows["status"], "ok"), pc.is_in(rows["content_sha256"], value_set=wanted)
        )
        rows = rows.filter(here)
        pairs = zip(rows["content_sha256"].to_pylist(), rows["image_id"].to_pylist(), strict=True)
        for content, image_id in pairs:
            found.setdefault(content, []).append(image_id)
    return {content: sorted(image_ids) for content, image_ids in found.items()}


def _still_there(catalog: str, content: str, image_ids: Sequence[str]) -> str:
    """Return the first of a content's names that has these bytes now; the first if none has."""
    if len(image_ids) == 1:
        return image_ids[0]  # decoding it says what is wrong with it
    having = (each for each in image_ids if _has(absolute_path(catalog, each), content))
    return next(having, image_ids[0])


def _has(path: str, content: str) -> bool:
    try:
        return Path(path).is_file() and file_digest(Path(path)) == content
    except OSError as error:
        raise_machine_fault(error)
        return False


def _said(content: str, answers: Mapping[Question, Correction]) -> Said:
    """Return what a content's last words come to."""
    whole: dict[str, frozenset[str] | None] = {}
    single: dict[LabelKey, bool | None] = {}
    for (group, label), last in answers.items():
        name = canonical_name(last.label or "")
        if last.answer == "withdrawn":
            continue
        if label is None:
            named = frozenset([name] if name else [])
            whole[group] = None if last.answer == "unknown" else named
        elif name:
            single[group, name] = None if last.answer == "unknown" else last.answer == "is"
    return Said(content, whole, single)


def _of_groups(
    said: Mapping[str, Said], taught: Sequence[Group], here: Sequence[Group], index: str
) -> dict[str, Said]:
    """Return what was said of the groups that are taught; say what is left aside.

    Raises
    ------
    DatasetError
        If that is nothing, or a group is exclusive in one place alone.
    """
    shown = f"{setting('corrections')} {index!r}"
    kinds = {group.name: group.exclusive for group in here}
    for group in taught:
        if kinds.get(group.name, group.exclusive) != group.exclusive:
            there = group.name if kinds[group.name] else f"{group.name}+"
            raise DatasetError(
                f"{shown}: the index has the group as {there}; write it so in "
                f"{setting('groups')}, or what was said of it cannot be read"
            )
    names = {group.name for group in taught}
    of_others = Counter(group for each in said.values() for group in _groups_of(each) - names)
    kept = {
        content: replace(
            each,
            answers={group: x for group, x in each.answers.items() if group in names},
            single={key: x for key, x in each.single.items() if key[0] in names},
        )
        for content, each in said.items()
        if _groups_of(each) & names
    }
    if not kept:
        about = _quoted(sorted(of_others)) or "nothing yet"
        raise DatasetError(
            f"{shown}: persons spoke of {about}, and taught are "
            f"{_quoted(sorted(names)) or 'no groups'}; correct some pictures with 'tagger "
            f"review', or name the groups with {setting('groups')}"
        )
    if of_others:
        counted = ", ".join(f"{group!r} {n:,}" for group, n in of_others.most_common())
        say(f"left aside: what was said of groups that are not taught: {counted} pictures")
    return kept


def _groups_of(said: Said) -> set[str]:
    return {*said.answers, *(group for group, _ in said.single)}


def _without(example: Example, keys: Collection[LabelKey]) -> Example:
    """Return a corrected picture of which these labels are unknown; others are as they were."""
    if example.said is None:
        return example
    blank = replace(example, present=frozenset(), known=frozenset(), single={})
    return with_said(blank, without_labels(example.said, keys))


def _listed(counts: Mapping[LabelKey, int]) -> str:
    """Return labels with their counts; quoted, as the log may have been written by anybody."""
    keys = sorted(counts.items())[:12]
    return ", ".join(f"{f'{group}:{name}'!r} {n:,}" for (group, name), n in keys)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
