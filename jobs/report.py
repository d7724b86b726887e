"""`tagger report`: a night as one page that opens anywhere."""

import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from jobs.page_file import check_writable, why_not_writable, write_page
from schemas.report import NightReport
from tagger.errors import Locked, StoreError
from tagger.evaluation.figures import share_of
from tagger.exit_codes import end_if_asked, received
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.machine import machine_fault
from tagger.progress import warn

if TYPE_CHECKING:  # a night imports this module; only a page of products needs these
    from tagger.report.products import ReadProducts
    from tagger.search.opening import ProductChoice


def report(
    index: str,
    out: str,
    *,
    products: str | None = None,
    product_from: str | None = None,
    option: str = "out",
) -> NightReport:
    """Return whether the night that readers see is good, after writing its page to `out`.

    Parameters
    ----------
    products, product_from : str, optional
        A table of sku, image and role, or a regular expression on the path: tell of products too.
    option : str
        The setting that named `out`.

    Raises
    ------
    InputError
        If there is no such index, it has no night, a file of it is damaged, the table or the
        pattern makes no sense, or the page cannot be written.
    """
    found = Index(index)
    if not found.is_there():
        what = "it is no index" if os.path.isdir(index) else "there is no such folder"
        raise StoreError(f"index {index!r}: {what}; make one with 'tagger tag'")
    check_writable(option, out)
    from tagger.report.gathered import gather
    from tagger.report.night_page import page_of
    from tagger.search.opening import product_choice

    choice = product_choice(products, product_from)
    told = gather(found)
    of_products = None if choice is None else _of_products(told.snapshot, choice)
    page = page_of(told, found.path.name, of_products).encode("utf-8", "backslashreplace")
    write_page(option, out, page)
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
        unlike=told.night.counts.unlike,
        products=of_products.counts if of_products else None,
    )


def _of_products(snapshot: Snapshot, choice: "ProductChoice") -> "ReadProducts":
    """Return what there is to tell of a night by product."""
    from jobs.by_product import by_product
    from tagger.report.products import read_products

    source, products = by_product(snapshot, choice)
    for note in products.notes:
        warn(note)
    return read_products(snapshot, chain.from_iterable(source.all()), products.notes)


@contextmanager
def reported(index: str, out: str | None) -> Iterator[None]:
    """Write the page of the night that is run inside, unless a signal ends that; a page that
    cannot be written is said, and is no fault of the night.

    Parameters
    ----------
    out : str or None
        None: no page is wanted. The night itself refuses one that could not be written at its
        beginning.
    """
    wanted = out is not None and not why_not_writable(out)
    try:
        yield
    except Exception as error:
        # While another run works there is nothing to tell: that one writes the page.
        wanted = wanted and not isinstance(error, Locked) and not received
        if out is not None and wanted and (why := _why_not_written(index, out)):
            error.add_note(why)  # the reason why the night failed comes first
        raise
    if out is not None and (why := _why_not_written(index, out)):
        warn(why)


def _why_not_written(index: str, out: str) -> str | None:
    """Return why the page of a night could not be written, or None if it was.

    The night has ended, and nothing may change how: a signal ends the page alone.
    """
    why = None
    try:
        end_if_asked()
        report(index, out, option="report")
    except (Exception, SystemExit) as error:
        fault = machine_fault(error) or error
        why = " ".join(str(fault).split()) or type(fault).__name__
    if why and received:
        why = f"it was interrupted ({signal.Signals(received[0]).name})"
    received.clear()
    again = shlex.join(["tagger", "report", os.path.abspath(index), "--out", os.path.abspath(out)])
    return f"The report of this night was not written: {why}. Do it now: {again}" if why else None


def report_text(written: NightReport) -> str:
    """Return the report as text for a terminal."""
    lines = [written.sentence]
    if found := written.products:
        lines.append(
            f"{found.products:,} products of {found.pictures:,} pictures; "
            f"{found.without_product:,} pictures show none"
        )
        lines += [
            f"{group}: pictures of {n:,} products disagree ({share_of(n, found.products)})"
            for group, n in found.disagree.items()
        ]
    return "\n".join([*lines, f"{written.out}: {written.bytes / 1e6:.1f} MB"])
