"""Staging units as their answers come in."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tagger.catalog import UNSEEN
from tagger.imaging.file_facts import FileFacts
from tagger.index.rows import make_rows
from tagger.nightly.inference import Answers, no_answers
from tagger.nightly.run import Run
from tagger.nightly.units import StagedUnit, Unit, Work


class _Pending(NamedTuple):
    facts: list[FileFacts]
    answers: Answers
    unit: int  # the one that these are of, or the first of them


class UnitWriter:
    """Deals answers out to units, and stages each unit when it is complete.

    They come in the order of the plan. A signal may end any statement: so what is pending changes
    in single assignments, and a unit that is written twice is the same file twice.
    """

    def __init__(self, work: Work, run: Run) -> None:
        self._work = work
        self._run = run
        self._coming: dict[int, Unit] = {}
        self._expected = 0
        self._written: list[StagedUnit] = []
        self._pending = _Pending([], no_answers(work, 0), 0)

    def expect(self, unit: Unit) -> None:
        """Take in the next unit whose answers will come."""
        self._coming[self._expected] = unit
        self._expected += 1

    def add(self, facts: Sequence[FileFacts], answers: Answers) -> None:
        """Take in the next answers."""
        old = self._pending
        self._pending = _Pending([*old.facts, *facts], old.answers.joined(answers), old.unit)
        while self._pending.facts and len(self._pending.facts) >= self._wanted():
            self._write()

    def flush(self) -> None:
        """Stage what there is of an incomplete unit."""
        while self._pending.facts:
            self._write()

    def written(self) -> list[StagedUnit]:
        """Return the units that were staged."""
        return self._written

    def _wanted(self) -> int:
        return len(self._coming[self._pending.unit].pictures)

    def _path(self, unit: Unit) -> Path:
        work = self._work
        return work.staging.unit(self._run.run_id, unit.number, unit.bucket, work.buckets)

    def _write(self) -> None:
        """Stage the first unit that is pending."""
        pending = self._pending
        n = min(self._wanted(), len(pending.facts))
        unit = self._coming[pending.unit]
        rows = self._rows(unit.pictures.slice(0, n), pending)
        path = self._path(unit)
        with self._run.stage("write"):
            self._keep_features(pending, n, path.stem)
            self._work.staging.write(path, rows)
        rest = pending.answers.rows(slice(n, None))
        self._pending = _Pending(pending.facts[n:], rest, pending.unit + 1)
        self._written.append(StagedUnit(unit.bucket, path, None))
        self._coming.pop(pending.unit, None)

    def _rows(self, pictures: pa.Table, pending: _Pending) -> pa.Table:
        """Return the rows of these pictures, the first that are pending."""
        bundle = self._work.bundle
        facts = _dated(pending.facts[: len(pictures)], pictures)
        ids = pictures["image_id"].to_pylist()
        kept = [i for i, one in enumerate(facts) if one.status != "gone"]
        return make_rows(
            [ids[i] for i in kept],
            [facts[i] for i in kept],
            pending.answers.logits[kept],
            vocabulary=bundle.vocabulary,
            thresholds=bundle.thresholds,
            model_id=bundle.model_id,
            likeness=bundle.likeness,
            outside=pending.answers.outside[kept],
        )

    def _keep_features(self, pending: _Pending, n: int, name: str) -> None:
        """Write the features of the first n pictures that went through the network.

        That is done before their rows are written.
        """
        store = self._work.how.features
        if store is not None:
            scored = [i for i, one in enumerate(pending.facts[:n]) if one.status == "ok"]
            digests = [pending.facts[i].content_sha256 or "" for i in scored]
            store.write(name, digests, pending.answers.features[scored])


def _dated(facts: Sequence[FileFacts], pictures: pa.Table) -> list[FileFacts]:
    """Return the facts; files that could not be opened get the size and time that the walk saw.

    Those that the walk could not even look at have neither, and are read again the next night.
    """
    walked = pictures.select(["size", "mtime_ns"]).to_pylist()
    dated = []
    for one, seen in zip(facts, walked, strict=True):
        if one.size_bytes is None and seen["size"] == UNSEEN:
            one = one._replace(unsettled=True)
        elif one.size_bytes is None:
            one = one._replace(size_bytes=seen["size"], mtime_ns=seen["mtime_ns"])
        dated.append(one)
    return dated
