"""A night on a catalog that is not there: a walk that makes its pictures up, in shuffled order, and
an engine that makes their scores up. Everything else is the real night, in this process.

    python tests/benchmarks/synthetic_night.py INDEX MODEL PICTURES CHANGED

Each night PICTURES are found; of CHANGED in a hundred of them time and content are others than the
first night's.
"""

import hashlib
import math
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np

from jobs.tag_catalog import TagOptions
from schemas.record import to_json
from tagger.catalog import Found
from tagger.digests import Contents, key_of
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.shared_array import SharedArray
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.spill import Spill
from tagger.index.store import Index
from tagger.models.bundle import load_bundle
from tagger.nightly.context import Night
from tagger.nightly.inference import Answers
from tagger.nightly.night import tag_night
from tagger.nightly.run import Run, recorded
from tagger.nightly.unit_writer import UnitWriter
from tagger.nightly.units import StagedUnit, Unit, Work, units_of

BATCH = 65_536


class MadeUpWalk:
    """What `tagger.catalog.Walk` has, of pictures that are nowhere.

    Parameters
    ----------
    changed : int
        Of a hundred pictures, so many were changed since the first night.
    """

    def __init__(self, pictures: int, changed: int) -> None:
        self.root = "/nowhere"
        self.skipped = Counter[str]()
        self._pictures = pictures
        self._changed = changed

    def batches(self) -> Iterator[Found]:
        step = next(s for s in range(self._pictures * 2 // 3, 10**9) if self._apart(s))
        for at in range(0, self._pictures, BATCH):
            end = min(at + BATCH, self._pictures)
            numbers = [i * step % self._pictures for i in range(at, end)]  # each number once
            ids = [b"f%05d/product-%09d.jpg" % (n % 9973, n) for n in numbers]
            times = [self._time(n) for n in numbers]
            yield Found(ids, [20_000 + n % 1000 for n in numbers], times)

    def idle_patterns(self) -> list[str]:
        return []

    def explanation(self) -> str:
        return ""

    def is_still_there(self) -> bool:
        return True

    def _apart(self, step: int) -> bool:
        return math.gcd(step, self._pictures) == 1

    def _time(self, n: int) -> int:
        return (1_600_000_000 + (n % 100 < self._changed)) * 10**9 + n


def made_up_scores(work: Work, plan: CatalogPlan, run: Run) -> list[StagedUnit]:
    """Stage scores of every picture that is to be read, as the engines do."""
    shared = SharedArray.of(work.known)  # as the decoder holds it
    seen = Contents(work.known)
    writer = UnitWriter(work, run)
    random = np.random.default_rng(0)
    for unit in units_of(plan):
        writer.expect(unit)
        facts = _facts(unit, seen, run)
        logits = random.normal(-1, 2, (len(facts), len(work.bundle.vocabulary)))
        features = np.zeros((len(facts), work.how.width), np.float16)
        writer.add(facts, Answers(logits.astype(np.float32), features, np.zeros(len(facts))))
        run.counts["tried"] += len(facts)
    assert len(shared.values) == work.known.size
    return writer.written()


def _facts(unit: Unit, seen: Contents, run: Run) -> list[FileFacts]:
    facts = []
    for one in unit.pictures.to_pylist():
        content = hashlib.sha256(f"{one['image_id']} {one['mtime_ns']}".encode())
        key = key_of(content.digest())
        known = key in seen
        seen.add(key)
        run.counts["scored"] += not known
        status = "known" if known else "ok"
        facts.append(
            FileFacts(status, None, content.hexdigest(), one["size"], one["mtime_ns"], 60, 80)
        )
    return facts


def night(path: str, model: str, pictures: int, changed: int) -> Run:
    index = Index(path)
    walk = MadeUpWalk(pictures, changed)
    bundle = load_bundle(model)
    options = TagOptions(walk.root, model, path, max_delete_rate=1)
    run = Run(walk.root)
    with (
        index.writing(walk.root) as parent,
        recorded(index, run),
        Spill(index.path / "_staging") as spill,
    ):
        tag_night(
            Night(index, parent, walk, bundle, options, math.inf, run, spill),  # type: ignore[arg-type]
            made_up_scores,
        )
    return run


if __name__ == "__main__":
    start = time.perf_counter()
    ended = night(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss == 0  # all in this process
    print(to_json(ended.record(), indent=None))
