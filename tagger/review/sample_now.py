"""The sample that a review asks about, and what persons have said of it by now."""

from msgspec.structs import asdict

from schemas.review import SampleNow
from schemas.samples import Sample
from tagger.index.corrections import CorrectionLog, InForce
from tagger.index.samples import Samples, figures
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index


class RunningSample:
    """A sample of a night, judged as corrections come in.

    Parameters
    ----------
    index : Index
    snapshot : Snapshot
        The night that it is drawn from.
    size : int
        How many pictures it asks about.
    """

    def __init__(self, index: Index, snapshot: Snapshot, size: int) -> None:
        self._samples = Samples(index.path)
        self._log: CorrectionLog = index.corrections
        self._sample: Sample = self._samples.draw_or_continue(snapshot, size)
        self.contents = {item.content for item in self._sample.items}
        self._in_force = InForce([], self._sample.groups)
        self._read_until = 0

    @property
    def sample_id(self) -> str:
        """Return its id."""
        return self._sample.sample_id

    def now(self) -> SampleNow:
        """Return what it says by now, and the pictures in the order of asking.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        part = self._log.read(self._read_until)
        of_it = [one for one in part.corrections if one.content_sha256 in self.contents]
        self._read_until = part.end
        if of_it:
            self._in_force.add(of_it)
            self._sample = self._samples.update(self._sample, self._in_force)
        order = [(item.image_id, item.content) for item in self._sample.items]
        return SampleNow(**asdict(figures(self._sample)), order=order)
