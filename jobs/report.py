"""`tagger report`: a night as one page that opens anywhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.page_file import check_writable, write_page
from schemas.report import NightReport
from tagger.errors import Locked, StoreError, TaggerError
from tagger.index.store import Index
from tagger.progress import warn


def report(index: str, out: str) -> NightReport:
    """Return whether the night that readers see is good, after writing its page to `out`.

    Raises
    ------
    InputError
        If there is no such index, it has no night, a file of it is damaged, or the page cannot be
        written.
    """
    found = Index(index)
    if not found.is_there():
        what = "it is no index" if os.path.isdir(index) else "there is no such folder"
        raise StoreError(f"index {index!r}: {what}; make one with 'tagger tag'")
    check_writable("out", out)
    from tagger.report.gathered import gather
    from tagger.report.night_page import page_of

    told = gather(found)
    page = page_of(told, found.path.name).encode("utf-8", "backslashreplace")
    write_page("out", out, page)
    return NightReport(
        index=index,
        out=out,
        bytes=len(page),
        snapshot=told.snapshot.path.name,
        run_id=told.run.run_id if told.run else None,
        good=told.verdict.good,
        sentence=told.verdict.sentence,
        concerns=told.verdict.concerns,
        moved=told.moved,
        nights=told.known_nights,
    )


@contextmanager
def reported(index: str, out: str | None) -> Iterator[None]:
    """Write the page of the night that is run inside, however that ends; a page that cannot be
    written is said, and is no fault of the night.

    Parameters
    ----------
    out : str or None
        None: no page is wanted.
    """
    try:
        yield
    except TaggerError as error:
        # While another run works there is nothing to tell: that one writes the page.
        if out is not None and not isinstance(error, Locked):
            _write_after_night(index, out)
        raise
    if out is not None:
        _write_after_night(index, out)


def _write_after_night(index: str, out: str) -> None:
    try:
        report(index, out)
    except Exception as error:  # the night has ended: nothing may change how
        why = " ".join(str(error).split()) or type(error).__name__
        warn(f"the report {out!r} was not written, the night is as it was: {why}")


def report_text(written: NightReport) -> str:
    """Return the report as text for a terminal."""
    return "\n".join([written.sentence, f"{written.out}: {written.bytes / 1e6:.1f} MB"])
