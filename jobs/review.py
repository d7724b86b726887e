"""A page on this machine to look at a night and correct it."""

import getpass
import os

import pyarrow as pa

from jobs.by_product import by_product
from tagger.errors import InputError, StoreError
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.progress import say
from tagger.review.audit import read_findings
from tagger.review.desk import Desk
from tagger.review.products import ProductsOf
from tagger.review.saying import checked_name
from tagger.review.server import ReviewServer
from tagger.review.serving import address, listening, new_token, serve
from tagger.review.static import read_page
from tagger.search.opening import ProductChoice, product_choice

_AT_ONCE = 200_000
"""Pictures whose products are looked up at a time."""


def review(
    index: str,
    *,
    who: str | None = None,
    port: int = 0,
    sample: int | None = None,
    audit: str | None = None,
    products: str | None = None,
    product_from: str | None = None,
) -> None:
    """Serve the page of an index until a signal ends it; prints its address.

    Parameters
    ----------
    who : str, optional
        As whom corrections are kept; by default the user's name on this machine.
    port : int
        Where to listen; 0 is any that is free.
    sample : int, optional
        How many pictures to ask about, see `tagger.index.samples`.
    audit : str, optional
        The table that `tagger evaluate --audit` wrote.
    products, product_from : str, optional
        A table of sku, image and role, or a regular expression on the path: show products too.

    Raises
    ------
    InputError
        If the index, the audit, the table, the pattern or the port cannot be used.
    """
    choice = product_choice(products, product_from)
    name = checked_name(_user() if who is None else who)
    findings = None if audit is None else read_findings(audit)
    found = _existing(index)
    with listening(port) as listener:
        products_of = None if choice is None else _products_of(choice)
        desk = Desk(found, name, findings=findings, sample=sample, products_of=products_of)
        _say_what_is_missing(desk)
        if findings is not None and desk.findings is not None:
            _say_what_was_found(len(findings), desk.findings)
        token = new_token()
        server = ReviewServer(desk, read_page(found.path.name))
        print(address(listener, token), flush=True)
        serve(server, listener, token)


def _existing(index: str) -> Index:
    found = Index(index)
    if not os.path.isdir(found.path):
        raise StoreError(f"index {index!r}: there is no such folder; make one with 'tagger tag'")
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise InputError(
            "who corrects? This user has no name on this machine: give one with --as"
        ) from error


def _products_of(choice: ProductChoice) -> ProductsOf:
    """Return what says which product each picture of a night shows."""

    def products_of(snapshot: Snapshot, image_ids: pa.Array) -> pa.ChunkedArray:
        _, products = by_product(snapshot, choice)
        for note in products.notes:
            say(note)
        parts = (image_ids.slice(at, _AT_ONCE) for at in range(0, len(image_ids), _AT_ONCE))
        skus = [products.of(some.cast(pa.string())).sku for some in parts]
        return pa.chunked_array(skus, pa.string())

    return products_of


def _say_what_was_found(findings: int, here: int) -> None:
    """Say how many findings of an audit are pictures of this night."""
    elsewhere = "; tag the folder of the rest into an index of its own" if here < findings else ""
    say(f"the audit speaks of {findings:,} contents; {here:,} pictures of this night{elsewhere}")


def _say_what_is_missing(desk: Desk) -> None:
    """Say what the page cannot do, and what to do about it."""
    catalog = desk.night.snapshot.manifest.catalog
    if not os.path.isdir(catalog):
        say(f"catalog {catalog!r} is not there: answers can be seen and corrected, pictures not")
    index = desk.index
    log = index.corrections.path
    if not os.access(log if log.exists() else index.path, os.W_OK):
        say(f"{str(log)!r} cannot be written: look, but corrections will not be kept")
