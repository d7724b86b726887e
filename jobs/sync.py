"""`tagger sync`: a search engine made equal to the current night, from options to a report."""

from dataclasses import dataclass
from typing import Any

from jobs.console.config_file import Allowed, read_settings
from schemas.sync import SyncReport
from tagger.errors import EngineError, InputError, TaggerError
from tagger.index.store import existing_index
from tagger.progress import warn
from tagger.search.address import Address, parse_address, read_key
from tagger.search.engines import open_engine
from tagger.search.opening import DocumentOptions, product_choice
from tagger.search.product_pattern import check_pattern
from tagger.search.records import recorded
from tagger.search.sync import PATIENCE
from tagger.search.sync import sync as make_equal
from tagger.search.url_template import NAMES, check_template
from tagger.settings import setting

_SETTINGS = ("to", "products", "product-from", "words", "url", "key-file", "max-wait")
_PATHS = ("products", "words", "key-file")


@dataclass(frozen=True)
class SyncOptions(DocumentOptions):
    """What `tagger sync` was asked to do; its help says what each means."""

    to: str = ""
    key_file: str | None = None
    anew: bool = False
    max_wait: float = PATIENCE

    @property
    def address(self) -> Address:
        """Where the engine is, and what its collection is called."""
        return parse_address(self.to, default_name="products" if self.by_product else "images")


def sync(options: SyncOptions, *, dry: bool = False) -> SyncReport:
    """Return what was done, after making an engine equal to the current night; it is recorded.

    Raises
    ------
    EngineError
        If the engine is away, or refused documents: its `report` says then what was done.
    InputError, Locked
        As `tagger.search.sync.sync`.
    """
    address = check(options)
    key = read_key(options.key_file)
    index = existing_index(options.index)
    if dry:
        return make_equal(
            options, address, key, anew=options.anew, dry=True, patience=options.max_wait
        )
    with recorded(index.path, address.plain) as outcome:
        report = make_equal(options, address, key, anew=options.anew, patience=options.max_wait)
        outcome.report = report
    for note in report.notes:
        warn(note)
    return report


def check(options: SyncOptions) -> Address:
    """Return the address of the engine, after looking at all that can be looked at before a night.

    Raises
    ------
    InputError
        If options contradict each other, or the address, a template or a pattern is none.
    """
    if not options.to:
        raise InputError(f"{setting('to')} is missing: the address of an engine")
    product_choice(options.products, options.product_from)
    if not options.max_wait >= 0:  # nor is it no number
        raise InputError(f"{setting('max_wait')} {options.max_wait} should be 0 or more")
    if options.url is not None:
        check_template(options.url, NAMES[options.by_product])
    if options.product_from is not None:
        check_pattern(options.product_from)
    return options.address


def sync_file(path: str, index: str) -> SyncOptions:
    """Return the options in a TOML file, for an index.

    Raises
    ------
    InputError
        If it cannot be read, sets something else, or makes no sense.
    """
    found = read_settings(path, Allowed(_SETTINGS, paths=_PATHS))
    values: dict[str, Any] = {name.replace("-", "_"): value for name, value in found.items()}
    wrong = [name for name in values if isinstance(values[name], str) is (name == "max_wait")]
    if wrong:
        kind = "a number" if wrong[0] == "max_wait" else "a text"
        raise InputError(f"--config {path!r}: {wrong[0]} = {values[wrong[0]]!r} should be {kind}")
    options = SyncOptions(index=index, **values)
    address = check(options)
    open_engine(address, read_key(options.key_file), options.max_wait).close()
    return options


def after_the_night(options: SyncOptions, snapshot: str | None) -> None:
    """Sync after a night; what fails says that the night is published all the same.

    Raises
    ------
    EngineError
        If the engine could not be made equal.
    """
    try:
        sync(options)
    except (TaggerError, OSError) as error:
        raise EngineError(
            f"the night {snapshot} is published, but not in the engine: {error}"
        ) from error


def sync_text(report: SyncReport, *, dry: bool = False) -> str:
    """Return what was done as text for a terminal."""
    would = "would be " if dry else ""
    lines = [f"{report.engine}: {report.snapshot}, {_WAYS[report.way]}, for {report.why}"]
    if report.way != "nothing":
        lines.append(
            f"{report.upserted:,} documents {would}written, {report.deleted:,} {would}removed"
        )
    lines.append(f"{report.documents:,} documents there now, {report.seconds:.1f} s")
    return "\n".join(lines)


_WAYS = {"nothing": "nothing to do", "follow": "changes followed", "anew": "built anew"}
