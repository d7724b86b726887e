"""Samples of a night on disk: pictures drawn at random, and what their judgement says.

One JSON file each in INDEX/samples, replaced by one rename.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbits

from msgspec.structs import asdict, replace

from schemas.record import FORMAT_VERSION, Versioned, parse, to_json
from schemas.samples import SAMPLES_FOLDER, Sample, SampleFigures
from tagger.errors import InputError, StoreError
from tagger.files import atomic_text
from tagger.index.corrections import InForce
from tagger.index.drawing import draw_pictures
from tagger.index.judging import judge
from tagger.index.snapshots import Snapshot, new_id
from tagger.machine import raise_machine_fault
from tagger.progress import say


class Samples:
    """The samples of an index.

    Parameters
    ----------
    index : Path
        The folder of the index; it need not have samples yet.
    """

    def __init__(self, index: Path) -> None:
        self._path = index / SAMPLES_FOLDER

    def draw_or_continue(self, snapshot: Snapshot, size: int, seed: int | None = None) -> Sample:
        """Return the sample of this night and size that is not finished, or else a new one.

        Parameters
        ----------
        seed : int, optional
            Makes the draw repeatable; a sample with another seed is not gone on with.

        Raises
        ------
        InputError
            If the size is less than 1, no row is ok, or the sample cannot be written.
        StoreError
            If the night or a sample cannot be read.
        """
        if size < 1:
            raise InputError(f"--sample {size}: a sample has at least one picture; try 200")
        for sample in self.newest_first():
            same = (sample.snapshot, sample.size) == (snapshot.path.name, size)
            if same and sample.judged < sample.drawn and seed in (None, sample.seed):
                return sample
        drawn = self._draw(snapshot, size, randbits(32) if seed is None else seed)
        self._write(drawn)
        return drawn

    def _draw(self, snapshot: Snapshot, size: int, seed: int) -> Sample:
        pictures = draw_pictures(snapshot, size, seed)
        now = _now()
        return Sample(
            format_version=FORMAT_VERSION,
            sample_id=new_id(),
            snapshot=snapshot.path.name,
            model_id=snapshot.manifest.model_id,
            drawn_at=now,
            updated_at=now,
            seed=seed,
            size=size,
            rows=pictures.rows,
            drawn=len(pictures.items),
            groups=list(snapshot.manifest.groups),
            estimates=pictures.estimates,
            items=pictures.items,
        )

    def update(self, sample: Sample, in_force: InForce) -> Sample:
        """Return the sample with what persons have said by now, after writing it.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        judgement = judge(sample, in_force)
        updated = replace(
            sample,
            judged=judgement.complete,
            estimates=judgement.estimates,
            updated_at=_now(),
        )
        self._write(updated)
        return updated

    def newest_first(self) -> Iterator[Sample]:
        """Yield all samples, the one that was drawn last first.

        Raises
        ------
        StoreError
            If one cannot be read.
        """
        for path in sorted(self._path.glob("[0-9]*.json"), reverse=True):
            yield self._read(path)

    def newest(self) -> Sample | None:
        """Return the sample that was drawn last, or None.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        return next(self.newest_first(), None)

    def _read(self, path: Path) -> Sample:
        try:
            content = path.read_bytes()
            version = parse(content, Versioned).format_version
            if version != FORMAT_VERSION:
                raise ValueError(f"format_version {version}, this program reads {FORMAT_VERSION}")
            return parse(content, Sample)
        except (OSError, ValueError) as error:
            raise_machine_fault(error)
            raise StoreError(
                f"{str(path)!r} is no sample that can be read ({error}); restore it from a "
                "backup, or remove it: what persons said is in corrections.jsonl and stays"
            ) from error

    def _write(self, sample: Sample) -> None:
        try:
            self._path.mkdir(exist_ok=True)
            atomic_text(self._path / f"{sample.sample_id}.json", to_json(sample))
        except OSError as error:
            raise_machine_fault(error)
            raise InputError(
                f"{str(self._path)!r} cannot be written ({error.strerror}); whoever reviews a "
                "sample needs leave to write there"
            ) from error


def figures(sample: Sample) -> SampleFigures:
    """Return a sample without its pictures."""
    fields = asdict(sample)
    del fields["items"]
    return SampleFigures(**fields)


def judged_sample(index: Path) -> SampleFigures | None:
    """Return the newest sample of an index of which something was judged, if there is one that can
    be read."""
    try:
        for sample in Samples(index).newest_first():
            if any(each.judged for each in sample.estimates):
                return figures(sample)
    except StoreError as error:  # the nights are what was asked for
        say(str(error))
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
