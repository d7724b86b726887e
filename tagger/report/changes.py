"""What a night answers otherwise than the night before: answer old > new."""

from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.index import Part
from tagger.errors import StoreError
from tagger.index.snapshots import Snapshot, open_snapshot
from tagger.report.drawn import Drawn, Picture
from tagger.report.night import upserted

PICTURES = 6
"""Of each change."""
MOST = 10
"""Changes that are shown of each group, the most frequent."""


class Change(NamedTuple):
    """Rows that answered one thing and answer another now.

    Attributes
    ----------
    group : str
    old, new : str or None
    rows, same_bytes : int
        How many; those of them whose picture is the same as before.
    pictures : list of Picture
    """

    group: str
    old: str | None
    new: str | None
    rows: int
    same_bytes: int
    pictures: list[Picture]


class Changes(NamedTuple):
    """What changed between two nights.

    Attributes
    ----------
    changes : list of Change
        The most frequent first, some of each group.
    rows : dict of str to int
        Group to the number of rows that answer otherwise.
    missing : str or None
        Why nothing is known, in words.
    """

    changes: list[Change]
    rows: dict[str, int]
    missing: str | None = None


def changes_since_parent(snapshot: Snapshot) -> Changes:
    """Return what a night answers otherwise than its parent, of pictures that both have scores of.

    Raises
    ------
    StoreError
        If a file of the night is missing or damaged; a parent that is, is gone.
    """
    name = snapshot.manifest.parent
    if name is None:
        return Changes([], {}, "This is the first night: there is none to compare it with.")
    folder = snapshot.index_folder / "snapshots" / name
    if not folder.is_dir():
        return Changes(
            [],
            {},
            f"The night before, {name}, is not kept any more ('tagger tag --keep' says how many "
            "are), so it is not known what it answered.",
        )
    try:
        return _compare(snapshot, open_snapshot(folder, repr(str(snapshot.index_folder))))
    except StoreError as error:
        if name not in str(error):
            raise
        return Changes([], {}, f"The night before, {name}, cannot be read: {error}")


def _compare(snapshot: Snapshot, parent: Snapshot) -> Changes:
    groups = [g for g in snapshot.manifest.groups if g in parent.manifest.groups]
    columns = ["image_id", "status", "content_sha256", *groups]
    ids = upserted(snapshot)
    tally = _Tally()
    for part in snapshot.manifest.parts:
        before = parent.part(part.bucket)
        if before is None or before.file == part.file or not len(ids):
            continue
        now = _ok(snapshot, part, columns)
        now = now.filter(pc.is_in(now["image_id"].cast(pa.large_string()), value_set=ids))
        then = _ok(parent, before, columns)
        at = pc.index_in(now["image_id"], value_set=then["image_id"])
        both = pc.is_valid(at)
        tally.add(now.filter(both), then.take(at.filter(both)), groups)
    return tally.changes()


def _ok(snapshot: Snapshot, part: Part, columns: list[str]) -> pa.Table:
    rows = snapshot.read(part.file, columns)
    return rows.filter(pc.equal(rows["status"], "ok")).combine_chunks()


class _Tally:
    """Changes, counted so far."""

    def __init__(self) -> None:
        self._rows = Counter[tuple[str, str | None, str | None]]()
        self._same = Counter[tuple[str, str | None, str | None]]()
        self._drawn: dict[tuple[str, str | None, str | None], Drawn] = defaultdict(
            lambda: Drawn(PICTURES)
        )
        self._random = np.random.default_rng(0)

    def add(self, now: pa.Table, then: pa.Table, groups: list[str]) -> None:
        """Count rows of the same pictures in two nights."""
        same = pc.equal(now["content_sha256"], then["content_sha256"])
        keys = self._random.random(len(now))
        for group in groups:
            pairs = pa.table(
                {"old": then[group], "new": now[group], "same": same, "at": np.arange(len(now))}
            )
            equal = pc.equal(pc.fill_null(pairs["old"], ""), pc.fill_null(pairs["new"], ""))
            pairs = pairs.filter(pc.invert(equal))
            found = pairs.group_by(["old", "new"]).aggregate([("same", "sum"), ("at", "list")])
            for row in found.to_pylist():
                key = (group, row["old"], row["new"])
                places = np.array(row["at_list"], np.int64)
                self._rows[key] += len(places)
                self._same[key] += row["same_sum"] or 0
                first = places[np.argsort(keys[places])][:PICTURES]
                self._drawn[key].offer(now, first, keys)

    def changes(self) -> Changes:
        """Return what was counted."""
        rows = Counter[str]()
        shown = Counter[str]()
        found = []
        for key, n in self._rows.most_common():
            rows[key[0]] += n
            shown[key[0]] += 1
            if shown[key[0]] <= MOST:
                found.append(Change(*key, n, self._same[key], self._drawn[key].pictures()))
        return Changes(found, dict(rows))
