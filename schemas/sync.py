"""What `tagger sync` remembers in an engine, and what it says of itself."""

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.record import Record

SYNCS_FOLDER = "syncs"

SYNC_STATES = {
    "equal": "the engine has the documents of the night, all of them",
    "missing": "it has them but for those in `missing`, which it refused; the next sync tries them "
    "again",
    "failed": "it was away, busy or not ours; what it serves is what it served before, or on the "
    "way to the night, and the next sync goes on",
    "killed": "ended by a signal; the next sync goes on",
}

Way = Literal["nothing", "follow", "anew"]


class Refusal(Record):
    """A document that an engine did not take."""

    id: str
    """Of the document."""
    name: str
    """Its path, or its product."""
    reason: str
    """What the engine said of it."""


class Synced(Record):
    """What an engine was made equal to last; it is kept in the engine itself."""

    format_version: Literal[1]
    """As in a manifest."""
    catalog: str
    """Absolute path of the catalog, as the manifest has it."""
    snapshot: str
    """The night that its documents are made of."""
    towards: str | None
    """The night that a sync under way, or a killed one, is making it equal to; else null."""
    made: str
    """A digest of all that decides documents beside the rows and the table of products."""
    products: str | None
    """A digest of the table of products; null without one."""
    documents: Annotated[int, Meta(ge=0)]
    """How many there are."""
    missing: list[str]
    """Paths, or products, whose documents the engine refused; the next sync tries them again."""
    features: str
    """The newest file of features that was there: vectors are made of those; empty without any."""
    at: str
    """When, ISO 8601, UTC."""


class Building(Record):
    """What is being built beside what is served; it is kept in the engine itself."""

    collection: str
    """What it is called there."""
    replaces: str | None
    """What is served meanwhile; null if nothing is."""
    synced: Synced
    """What it will be equal to."""
    chunks: Annotated[int, Meta(ge=0)]
    """How many of the night's chunks are there, whole."""


class Lease(Record):
    """Who syncs now; it is kept in the engine itself."""

    holder: str
    """A number drawn at random."""
    host: str
    """Where it works."""
    process: int
    """Its number there."""
    processes: str
    """What all processes there have in common: which start of which machine or container; empty
    where that cannot be told."""
    until: float
    """Seconds since 1970: nobody else begins before, unless its process is gone."""


class SyncReport(Record):
    """What a sync did; with --dry-run, what it would do."""

    index: str
    """As given."""
    engine: str
    """The address, without what is secret."""
    snapshot: str
    """The night."""
    way: Way
    """`follow`: what changed since was brought there; `anew`: all documents were built beside what
    was served, then swapped; `nothing`: it was equal already."""
    why: str
    """Why this way, as a sentence."""
    documents: int
    """That the engine has now; with --dry-run, those of the last sync."""
    upserted: int
    """Documents that were written; with --dry-run, pictures or products to be written, at most."""
    deleted: int
    """Documents that were asked to go; with --dry-run, at least."""
    missing: int
    """Documents that the engine refused."""
    refusals: list[Refusal]
    """The first ten of them."""
    seconds: float
    """The whole sync."""
    notes: list[str] = field(default_factory=list)
    """What somebody should know, as sentences."""


class SyncRecord(Record):
    """A run of `tagger sync`; written when it ends."""

    format_version: Literal[1]
    """As in a manifest."""
    sync_id: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z-]+\Z")]
    """UTC time and four hex digits of its fraction."""
    state: Literal["equal", "missing", "failed", "killed"]
    """How it ended, see below."""
    message: str | None
    """Why it is not equal, and what to do."""
    exit_code: int
    """The command's."""
    engine: str
    """The address, without what is secret."""
    started_at: str
    """ISO 8601, UTC."""
    ended_at: str
    """ISO 8601, UTC."""
    host: str
    """Where it ran."""
    process: int
    """Its number there."""
    report: SyncReport | None
    """What was done; null if it failed."""


class ProductsReport(Record):
    """What `tagger products` wrote."""

    index: str
    """As given."""
    out: str
    """The table."""
    snapshot: str
    """The night."""
    products: int
    """Rows of the table."""
    pictures: int
    """Pictures that are ok, of all products."""
    without_product: int
    """Pictures that are ok and show none."""
    disagree: dict[str, int]
    """Exclusive group to products whose pictures disagree in it."""
    notes: list[str] = field(default_factory=list)
    """What somebody should know, as sentences."""
