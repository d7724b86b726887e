"""runs/*.json: what each run did, how it ended and why; and the lock that a run holds."""

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.record import Record

SKIPPED = {
    "hidden": (
        "names that begin with a dot, folders with all they hold counted once; rename what is meant"
    ),
    "not_a_picture": (
        "no picture's ending, such as .jpg or .png; rename what is a picture, and "
        "name.jpg?width=800 too"
    ),
    "folder_link": (
        "links to folders are not followed; name the folder itself as the catalog, or mount it "
        "there"
    ),
    "link_outside": (
        "links to files outside the catalog; put the files there, or name a folder that holds both"
    ),
    "broken_link": "links to nothing, to themselves or to where there is no permission",
    "special": "pipes, sockets and devices, never opened",
    "excluded": "named by --exclude, folders with all they hold counted once",
    "system_folder": (
        "made by a NAS or a desktop, with all they hold counted once; tagger tag takes them in "
        "with --include NAME"
    ),
}

RUN_STATES = {
    "running": "not ended yet, or killed and not yet noticed by a later run",
    "published": "a snapshot was published; it has the run's name",
    "unchanged": "nothing to publish: the current snapshot is what the catalog holds",
    "rolled_back": "`tagger rollback` pointed current to `snapshot`",
    "refused": "a guard, the model's gate, the lock or unusable input; nothing was published",
    "stopped": "--max-seconds was up; nothing was published, what was done is in staging",
    "failed": "an unexpected failure; nothing was published",
    "killed": "ended by a signal, or without a word (SIGKILL, power): the next run notes that",
}

State = Literal[
    "running",
    "published",
    "unchanged",
    "rolled_back",
    "refused",
    "stopped",
    "failed",
    "killed",
]


class Counts(Record):
    """What a run did, in numbers."""

    found: int = 0
    """Pictures found in the catalog and not gone before they were read."""
    new: int = 0
    """Found, and no row before."""
    changed: int = 0
    """Found, with another size or modification time than its row."""
    rescored: int = 0
    """Found, the same file, tried again with another result: another model or reader,
    --full, --retry-errors."""
    unchanged: int = 0
    """Found, its scores as in the row before."""
    corrected: int = 0
    """Found, the same bytes, and persons' answers in its row that the row before did not have:
    new, other, or taken back. Such rows are counted above as well, mostly as unchanged."""
    deleted: int = 0
    """Rows before whose picture was not found."""
    touched: int = 0
    """Changed, but with equal bytes."""
    scored: int = 0
    """Distinct contents that went through the network in this run."""
    reused: int = 0
    """Rows taken from staging, where an interrupted run left them."""
    failed: int = 0
    """Rows that are not ok."""
    failed_now: int = 0
    """Failures among the pictures tried in this run."""
    published_rows: int = 0
    """Rows of the published snapshot; equals found, or 0 if nothing was published."""
    tried: int = 0
    """Pictures tried in this run: read, or taken from staging, where an interrupted run had read
    them; 0 in records of earlier versions."""
    failed_again: int = 0
    """Those of failed_now that had failed before and have not changed, through no fault of the
    machine."""


class PlanCounts(Record):
    """What was to be done, before anything was read."""

    found: int = 0
    """Pictures listed."""
    new: int = 0
    """Without a row."""
    changed: int = 0
    """With another size or modification time than their row."""
    rescored: int = 0
    """The same file, to be tried again: another model, another reader, --full, or
    --retry-errors."""
    unchanged: int = 0
    """Rows to be carried over."""
    deleted: int = 0
    """Rows whose picture was not found."""
    staged: int = 0
    """Pictures whose rows an interrupted run left in staging."""
    to_read: int = 0
    """Pictures to be read."""
    from_features: int = 0
    """Pictures scored by another model whose new scores come from stored features: they are not
    read."""
    behind: int = 0
    """Unchanged rows of an older model or reader, left for a later run by --backfill-limit."""


class IdlePattern(Record):
    """A pattern of --exclude that matched nothing."""

    pattern: str
    """As it was given."""
    meant: str | None
    """A path that has another case only, or null."""


class Failure(Record):
    """A picture that was tried and has no scores."""

    image_id: str
    """Which."""
    status: str
    """As in its row."""
    error: str
    """The reason in words."""


class AnswerRows(Record):
    """How many rows of a published night have an answer."""

    group: str
    """The label's group."""
    label: str | None
    """The label; null is the answer none of an exclusive group."""
    rows: int
    """Rows that have it, persons' answers counted as well as the model's."""
    arrived: int
    """Those of them whose picture is new in this night, or has other bytes than before."""
    gone: int = 0
    """Rows of the night before that had it, and have no more answers for the same bytes: mostly
    pictures taken off the catalog, or with other bytes."""


class UnlikeRows(Record):
    """How many rows of a published night are unlike what the model was trained on."""

    rows: int
    """Rows whose unlikeness is over 1."""
    of: int
    """Rows that have an unlikeness."""
    arrived: int = 0
    """Those of `rows` whose picture is new in this night, or has other bytes than before."""
    of_arrived: int = 0
    """Such rows among `of`."""


class AnswerCounts(Record):
    """How many rows of a published night have each answer: what stays known of a night when its
    snapshot is gone."""

    rows: int
    """Rows that are ok."""
    arrived: int
    """Those of them whose picture is new in this night, or has other bytes than before."""
    answers: list[AnswerRows]
    """Every label of the run's model that is not retired, also where no row has it, and none."""
    gone: int | None = None
    """Rows of the night before that were ok, and have no more answers for the same bytes; null in
    records of earlier versions."""
    unlike: UnlikeRows | None = None
    """Null where no row has an unlikeness, and in records of earlier versions."""


class RunRecord(Record):
    """A run. The record is written when it starts, and replaced when it ends."""

    format_version: Literal[1]
    """As in a manifest."""
    run_id: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z-]+\Z")]
    """UTC time and four hex digits of its fraction; a published snapshot has the same name."""
    state: State
    """How it ended, see below."""
    message: str | None
    """Why it did not publish and what to do."""
    exit_code: int | None
    """Null while running or if it ended without a word."""
    command: list[str]
    """As started."""
    host: str
    """Where it ran."""
    process: int
    """Its number there."""
    started_at: str
    """ISO 8601, UTC."""
    ended_at: str | None
    """ISO 8601, UTC; null while running or if it ended without a word."""
    catalog: str | None
    """Absolute path."""
    model_id: str | None
    """Null if it was not read, and of a rollback."""
    backend: str | None
    """What computed last: openvino, openvino int8, openvino bfloat16 or keras; null if nothing had
    to be scored."""
    snapshot: str | None
    """The snapshot that `current` led to at the end."""
    plan: PlanCounts | None
    """What was to be done; null if the catalog was not walked to its end."""
    counts: Counts | None
    """What was done; null while running."""
    skipped: dict[str, int]
    """Reason to number of things that are no picture, see below."""
    idle_patterns: list[IdlePattern]
    """Those of --exclude that matched nothing."""
    seconds: dict[str, float]
    """Stage to seconds: walk, plan, start (loading the network), wait (for the workers), infer,
    write, rescore (from features), publish, total; first and last: when pictures were answered,
    since the start; read (and hash) and decode are those of the workers, added up over all of
    them, as is every stage with --engine ray."""
    peak_mib: float
    """The most memory any one process of the run held, in MiB."""
    versions: dict[str, str]
    """Library to version."""
    failed_by_status: dict[str, int] = field(default_factory=dict)
    """Status to number of pictures that were tried and failed; not those that the machine kept
    from being read."""
    failures: list[Failure] = field(default_factory=list)
    """The first ten of them."""

    answers: AnswerCounts | None = None
    """What the published rows answer; null if nothing was published, or by an earlier version."""


class LockHolder(Record):
    """Who holds the lock; the file is empty while nobody does."""

    host: str
    """Where the run works."""
    process: int
    """Its number there."""
    started: str
    """ISO 8601, UTC."""
