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
from tagger.report.moments import ahead_of
from tagger.report.night import LEAST_SURE, LeastSure, ReadNight, read_night
from tagger.report.shares import CountedNight, Shares, counted_nights, moved_shares
from tagger.report.verdict import Ran, Verdict, verdict

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
        The newest that has ended, by its record not in the future.
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
    now = datetime.now(UTC)
    ran = _ran(index, snapshot.path.name, now)
    nights = counted_nights(index.runs.newest_first(), snapshot.path.name)
    is_counted = bool(nights) and nights[-1].run_id == snapshot.path.name
    shares = moved_shares(nights) if is_counted else Shares([])
    said = index.corrections.read()
    night = read_night(snapshot)
    return Gathered(
        snapshot=snapshot,
        run=ran.newest,
        night=night._replace(least_sure=_unspoken(night, said.corrections)),
        compared=compared_with_parent(snapshot, said.corrections),
        nights=nights,
        moved=shares.moved,
        spoken=_spoken(snapshot, said.data, said.corrections),
        sample=judged_sample(index.path),
        verdict=verdict(ran, snapshot.manifest, shares, night.counts, now),
    )


def _ran(index: Index, snapshot: str, now: datetime) -> Ran:
    """Return what is recorded of the newest runs, and whether somebody went back to a snapshot."""
    records = list(islice(without_the_locked_out(index.runs.newest_first()), _RUNS))
    ended = [each for each in records if each.state not in ("running", "rolled_back")]
    ahead = next((each for each in ended if ahead_of(each.started_at, now)), None)
    newest = next((each for each in ended if not ahead_of(each.started_at, now)), ahead)
    back = any(each.state == "rolled_back" and each.snapshot == snapshot for each in records)
    return Ran(newest, ahead, back)


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
