"""All that a report tells of, gathered from an index."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from schemas.corrections import Correction
from schemas.report import MovedShare
from schemas.runs import RunRecord
from schemas.samples import SampleFigures
from tagger.errors import StoreError
from tagger.index.corrections import InForce
from tagger.index.runs import without_the_locked_out
from tagger.index.samples import judged_sample
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.report.changes import Compared, compared_with_parent
from tagger.report.night import LEAST_SURE, LeastSure, ReadNight, read_night
from tagger.report.shares import CountedNight, counted_nights, moved_shares
from tagger.report.verdict import Verdict, verdict

_RUNS = 200
"""Records in search of the newest run that has ended."""
_NEWEST = 10


class Spoken(NamedTuple):
    """What persons said.

    Attributes
    ----------
    lines, waiting : int
        How many answers there are; how many of them came after this night had read them.
    newest : list of Correction
        The last ones, the newest first.
    """

    lines: int
    waiting: int
    newest: list[Correction]


class Gathered(NamedTuple):
    """A night, and what is known around it.

    Attributes
    ----------
    run : RunRecord or None
        The newest that has ended.
    compared : Compared or str
        With the night before; why that is not known, in words.
    nights : list of CountedNight
        The oldest first; the last one is this night if it has a record.
    """

    snapshot: Snapshot
    run: RunRecord | None
    night: ReadNight
    compared: Compared | str
    nights: list[CountedNight]
    moved: list[MovedShare]
    spoken: Spoken
    sample: SampleFigures | None
    verdict: Verdict

    @property
    def known_nights(self) -> int:
        """How many nights' answers are known."""
        return sum(night.counts is not None for night in self.nights)


def gather(index: Index) -> Gathered:
    """Return what there is to tell of the night that readers of an index see.

    Raises
    ------
    StoreError
        If the index has no night, or a file of it is missing or damaged.
    """
    snapshot = index.current()
    if snapshot is None:
        raise StoreError(
            f"index {str(index.path)!r} has no night yet; 'tagger tag' makes one, and 'tagger "
            "runs' says why it has not"
        )
    run = _ended(index)
    nights = counted_nights(index.runs.newest_first(), snapshot.path.name)
    moved = moved_shares(nights) if nights and nights[-1].run_id == snapshot.path.name else []
    said = index.corrections.read()
    night = read_night(snapshot)
    known = sum(each.counts is not None for each in nights)
    return Gathered(
        snapshot=snapshot,
        run=run,
        night=night._replace(least_sure=_unspoken(night, said.corrections)),
        compared=compared_with_parent(snapshot, said.corrections),
        nights=nights,
        moved=moved,
        spoken=_spoken(snapshot, said.data, said.corrections),
        sample=judged_sample(index.path),
        verdict=verdict(run, snapshot.manifest, moved, known, datetime.now(UTC)),
    )


def _ended(index: Index) -> RunRecord | None:
    """Return the newest run that has ended and was one: going back is none."""
    for record in islice(without_the_locked_out(index.runs.newest_first()), _RUNS):
        if record.state not in ("running", "rolled_back"):
            return record
    return None


def _unspoken(night: ReadNight, said: Sequence[Correction]) -> dict[str, list[LeastSure]]:
    """Return the least sure answers of which no person has spoken, not even since the night."""
    words = InForce(said, night.least_sure)

    def silent(group: str, each: LeastSure) -> bool:
        word = words.of(each.picture.content_sha256 or "").get((group, None))
        return word is None or word.answer == "withdrawn"

    return {
        group: [each for each in least if silent(group, each)][:LEAST_SURE]
        for group, least in night.least_sure.items()
    }


def _spoken(snapshot: Snapshot, data: bytes, said: Sequence[Correction]) -> Spoken:
    read = snapshot.manifest.corrections
    waiting = data.count(b"\n", read.bytes if read else 0)
    return Spoken(len(said), waiting, list(said[: -_NEWEST - 1 : -1]))
