"""The sample that a review asks about, and what persons have said of it by now."""

from msgspec.structs import asdict

from schemas.review import SampleNow
from schemas.samples import Sample
from tagger.index.corrections import InForce
from tagger.index.samples import Samples, figures
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.review.log_reader import LogReader


class RunningSample:
    """A sample of a night, judged as corrections come in.

    Parameters
    ----------
    index : Index
    snapshot : Snapshot
        The night that it is drawn from.
    size : int
        How many pictures it asks about.

    Attributes
    ----------
    contents : dict of str to None
        The digests of its pictures, each once, in the order of asking.
    """

    def __init__(self, index: Index, snapshot: Snapshot, size: int) -> None:
        self._samples = Samples(index.path)
        self._reader = LogReader(index.corrections)
        self._sample: Sample = self._samples.draw_or_continue(snapshot, size)
        self.contents = dict.fromkeys(item.content for item in self._sample.items)
        self._in_force = InForce([], self._sample.groups)
        self._written = True  # as it was drawn, or as it was when it was last asked about

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
        if self._reader.changed():
            self._take_in()
        if not self._written:
            self._sample = self._samples.update(self._sample, self._in_force)
            self._written = True
        order = [(item.image_id, item.content) for item in self._sample.items]
        return SampleNow(**asdict(figures(self._sample)), order=order)

    def _take_in(self) -> None:
        """Take in what was said of its pictures since; all of it, if this is another log."""
        if self._reader.replaced():
            self._reader.start_anew()
            self._in_force = InForce([], self._sample.groups)
            self._written = False
        for part in self._reader.parts():
            of_it = [one for one in part.corrections if one.content_sha256 in self.contents]
            self._in_force.add(of_it)
            self._written = self._written and not of_it
