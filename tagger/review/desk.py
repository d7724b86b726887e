"""What a reviewer works at: a night in memory, and the log that takes what is said of it."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from schemas.review import (
    Found,
    Kept,
    NightNow,
    Picture,
    PictureDetail,
    SaidAtOnce,
    SampleNow,
    Wanted,
)
from tagger.errors import InputError, StoreError
from tagger.index.snapshots import Snapshot, current_name
from tagger.index.store import Index
from tagger.review.products import ProductsOf
from tagger.review.saying import Saying, corrections, is_visible
from tagger.review.table import NightTable

if TYPE_CHECKING:
    from tagger.review.sample_now import RunningSample


class Night(NamedTuple):
    """A night that was read into memory."""

    snapshot: Snapshot
    table: NightTable
    saying: Saying

    @property
    def name(self) -> str:
        """Return the id of its snapshot."""
        return self.snapshot.path.name


class Desk:
    """A night of an index, as one person reviews it. Only one thread may use it at a time.

    Parameters
    ----------
    index : Index
    who : str
        As whom the person corrects.
    findings : mapping of str to str, optional
        What an audit found, by content.
    sample : int, optional
        How many pictures to ask about.
    products_of : callable, optional
        What says which product each picture of a night shows.

    Attributes
    ----------
    night : Night
        The one that is being looked at.
    findings : int or None
        How many of its pictures the audit speaks of; None without one.

    Raises
    ------
    StoreError
        If the index has no night, or it cannot be read.
    """

    def __init__(
        self,
        index: Index,
        who: str,
        *,
        findings: Mapping[str, str] | None = None,
        sample: int | None = None,
        products_of: ProductsOf | None = None,
    ) -> None:
        self.index = index
        self.who = who
        self._findings = findings
        self._products_of = products_of
        night = self.read_newest()
        self._sample = None if sample is None else _running(index, night.snapshot, sample)
        self.open(night)

    def read_newest(self) -> Night:
        """Return the night that readers see now. Any thread may do this, beside others."""
        snapshot = self.index.current()
        if snapshot is None:
            raise StoreError(f"index {str(self.index.path)!r} has no night; run 'tagger tag' first")
        table = NightTable.load(
            self.index, snapshot, findings=self._findings, products_of=self._products_of
        )
        saying = Saying(table.groups, snapshot.labels(), snapshot.manifest.model_id)
        return Night(snapshot, table, saying)

    def read_newer(self) -> Night | None:
        """Return the newest night, or None if it is the one that is being looked at."""
        return None if current_name(self.index.path) == self.night.name else self.read_newest()

    def open(self, night: Night) -> None:
        """Look at another night from now on; what was said is of contents, and stays."""
        self.night = night
        if self._sample is not None:
            night.table.add_sample(self._sample.sample_id, self._sample.contents)
        audited = Wanted(audit=True)
        self.findings = None if self._findings is None else night.table.all_of(audited)

    def now(self) -> NightNow:
        """Return what is being looked at."""
        table = self._fresh()
        proposals = table.proposals()
        newest = current_name(self.index.path)
        return NightNow(
            snapshot=self.night.name,
            newer=None if newest == self.night.name else newest,
            rows=table.rows,
            catalog=self.night.snapshot.manifest.catalog,
            who=self.who,
            groups=table.groups,
            proposals=proposals,
            add_command=_add_command(
                self.index.path, [(one.group, one.label) for one in proposals]
            ),
            statuses=dict(table.statuses),
            corrected=table.corrected(),
            lines=table.lines,
            features=self._has_features(),
            audit=self.findings,
            sample=None if self._sample is None else self._sample.sample_id,
            products=table.products,
        )

    def find(self, wanted: Wanted, offset: int, limit: int) -> Found:
        """Return some of the pictures that are wanted."""
        return self._fresh().find(wanted, offset, limit)

    def ids(self, wanted: Wanted, most: int) -> list[tuple[str, str]]:
        """Return name and content of the pictures that are wanted, `most` of them."""
        return self._fresh().ids(wanted, most)

    def detail(self, image_id: str) -> PictureDetail:
        """Return all that is known of a picture."""
        return self._fresh().detail(image_id)

    def content_of(self, image_id: str) -> str | None:
        """Return the digest of a picture of the night; None where there is no such one."""
        return self.night.table.content_of(image_id)

    def place_of(self, image_id: str) -> tuple[Night, str]:
        """Return the night that is being looked at, and the content of a picture of it.

        Raises
        ------
        InputError
            If it has no such picture, or one that was never read.
        """
        content = self.content_of(image_id)
        if content is None:
            raise InputError(f"picture {image_id!r}: this night has no such picture")
        return self.night, content

    def pictures(self, night: Night, names: Iterable[str]) -> list[Picture]:
        """Return pictures of a night that was being looked at, as they are now."""
        night.table.refresh()
        return [night.table.picture(name) for name in names]

    def sample_now(self) -> SampleNow | None:
        """Return what the sample says by now; None if nobody asked for one.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        return None if self._sample is None else self._sample.now()

    def say(self, said: SaidAtOnce) -> Kept:
        """Keep what was said, all of it or nothing; somebody else's newer word is asked about.

        Within a server check and writing are one step. Between two servers a word that is written
        in the moment between them is not asked about: both are kept, and the later one counts.

        Raises
        ------
        InputError
            If something in it is no answer, or the log cannot be written.
        MachineFault
            If the disk is full, say.
        """
        table = self._fresh()
        if said.sample is not None and (
            self._sample is None or said.sample != self._sample.sample_id
        ):
            raise InputError(f"sample {said.sample!r} is not the one that is being asked about")
        said = self.night.saying.spelt(said)
        self._check_rows(said)
        if not said.insist and (conflicts := table.conflicts(said)):
            return Kept(kept=0, first=None, conflicts=conflicts, lines=table.lines)
        lines = corrections(said, self.who, datetime.now(UTC))
        start = self.index.corrections.append(lines)
        table = self._fresh()
        first = table.line_at(start)
        return Kept(kept=len(lines), first=first, conflicts=[], lines=table.lines)

    def _check_rows(self, said: SaidAtOnce) -> None:
        """Raise InputError unless this night's rows have what was seen, and are ok."""
        rows = self.night.table.seen([item.image_id for item in said.items])
        for item, row in zip(said.items, rows, strict=True):
            content, status = row or (None, "")
            if content != item.content:
                what = "there is no such picture" if row is None else "it has other bytes"
                raise InputError(
                    f"picture {item.image_id!r}: in the night {self.night.name} {what}; nothing "
                    "was kept. Load the page again and look at it once more"
                )
            if status != "ok":
                raise InputError(
                    f"picture {item.image_id!r} is {status}: it has no answers that could be "
                    "corrected; nothing was kept"
                )

    def _fresh(self) -> NightTable:
        """Return the night with all that was said by now, here or elsewhere."""
        self.night.table.refresh()
        return self.night.table

    def _has_features(self) -> bool:
        try:
            return Path(self.index.featured_model()).is_dir()
        except InputError:
            return False


def _running(index: Index, snapshot: Snapshot, size: int) -> "RunningSample":
    from tagger.review.sample_now import RunningSample  # loads SciPy's statistics, over a second

    return RunningSample(index, snapshot, size)


def _add_command(index: Path, proposals: list[tuple[str, str]]) -> str | None:
    """Return the command that teaches a model the labels that are proposed, or None.

    People copy it into a shell: a name that somebody wrote into the log with letters that cannot be
    seen stays out.
    """
    proposals = [(group, label) for group, label in proposals if is_visible(group + label)]
    if not proposals:
        return None
    command = ["tagger", "retrain", "--corrections", str(index)]
    command += ["--from", "models/current", "--models", "models"]
    for group, label in proposals:
        command += ["--add", f"{group}:{label}"]
    return shlex.join(command)
