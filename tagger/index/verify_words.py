"""Persons' answers in rows checked: they follow the log, and the scores below are the model's."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.corrections import CORRECTIONS_FILE
from schemas.rows import CORRECTED_TYPE, OVERRULED_TYPE
from tagger.errors import StoreError
from tagger.index.corrected_rows import Judge, Models
from tagger.index.corrections import CorrectionLog, InForce, LogPart
from tagger.index.snapshots import Snapshot

_NOTHING = LogPart([], b"", 0)


@dataclass(frozen=True)
class Words:
    """What the rows of a snapshot are held to.

    Attributes
    ----------
    by_models : Judge
        What rows would say if no person had spoken.
    by_persons : Judge or None
        What they must say; None if the log is not what the snapshot was made of.
    """

    by_models: Judge
    by_persons: Judge | None


def words_of(snapshot: Snapshot, models: Models) -> tuple[Words, list[str]]:
    """Return what rows are held to, and what is wrong with the log."""
    manifest = snapshot.manifest
    read = manifest.corrections
    silence = InForce([], manifest.groups)
    by_models = Judge(silence, models, manifest.model_id, manifest.groups)
    log = CorrectionLog(snapshot.index_folder)
    try:
        part = log.read(0, read.bytes) if read else _NOTHING
        log.read(part.end)  # what the next night will follow
    except StoreError as error:
        return Words(by_models, None), [str(error)]
    if part.mark() != read:
        fault = (
            f"{CORRECTIONS_FILE}: its beginning is not what the rows follow: lines were changed "
            "or are lost; restore it from a backup"
        )
        return Words(by_models, None), [fault]
    words = InForce(part.corrections, manifest.groups)
    return Words(by_models, Judge(words, models, manifest.model_id, manifest.groups)), []


def with_words(rows: pa.Table) -> pa.Table:
    """Return the rows with the columns of persons' answers: an earlier version has none."""
    for name, kind in (("corrected", CORRECTED_TYPE), ("overruled", OVERRULED_TYPE)):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), kind))
    return rows


def check_words(rows: pa.Table, words: Words) -> Iterator[str]:
    """Yield the first row, if any, that does not say what persons said."""
    if words.by_persons is None:
        return
    concerned = rows.filter(pa.array(words.by_persons.concerned(rows)))
    expected = words.by_persons.judged(concerned)
    for name in expected.column_names:
        before = concerned[name].to_pylist()
        after = expected[name].to_pylist()
        wrong = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        if wrong:
            at = wrong[0]
            yield (
                f"row {concerned['image_id'][at].as_py()!r}: {name} is {before[at]!r}, but by "
                f"{CORRECTIONS_FILE} it is {after[at]!r} ({len(wrong)} such rows)"
            )
            return


def without_words(rows: pa.Table, words: Words) -> pa.Table:
    """Return the rows as if no person had spoken."""
    spoken = np.asarray(pc.is_valid(rows["corrected"]).to_numpy(zero_copy_only=False), bool)
    return words.by_models.judged(rows) if spoken.any() else rows
