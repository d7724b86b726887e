"""What the commands of the index print with --json."""

from msgspec import field

from schemas.record import Record
from schemas.runs import Counts, Failure, IdlePattern, PlanCounts, RunRecord, UnlikeRows
from schemas.samples import SampleFigures


class TagReport(Counts):
    """What a night did; of one that was refused or stopped, as far as it came."""

    run_id: str | None
    """Null with --dry-run."""
    snapshot: str | None
    """What `current` names at the end."""
    plan: PlanCounts | None
    """What was to be done, before anything was read; null if the walk did not end."""
    skipped: dict[str, int]
    """Reason to number of things that are no picture."""
    idle_patterns: list[IdlePattern]
    """Those of --exclude that matched nothing."""
    seconds: float
    """The whole run."""
    images_per_second: float
    """Pictures read per second of waiting for workers and inferring."""
    exit_code: int | None
    """As the command's."""
    failed_by_status: dict[str, int] = field(default_factory=dict)
    """As in a run record."""
    failures: list[Failure] = field(default_factory=list)
    """As in a run record."""
    unlike: UnlikeRows | None = None
    """As in a run record; null if nothing was published."""


class StatusReport(Record):
    """Whether readers see a night that is young enough, and the last run was good."""

    index: str
    """As given."""
    good: bool
    """Whether both is so."""
    line: str
    """What the command prints."""
    exit_code: int
    """0 if good, else 8."""
    snapshot: str | None
    """What readers see; null if there is none, or it cannot be read."""
    night: str | None
    """ISO 8601, UTC: when the run began that last found, or made, its rows equal to the catalog.
    After a rollback: when the run began that made the snapshot."""
    age_seconds: float | None
    """Since then; negative if that lies ahead of this machine's clock."""
    max_age_seconds: float
    """As given."""
    rows: int | None
    """Of the snapshot."""
    failed: int | None
    """Those of them that are not ok."""
    last_run: RunRecord | None
    """The newest run that ended, in whatever way, and did not just find the lock taken."""
    running: RunRecord | None
    """A run that works now."""


class DiskUse(Record):
    """Bytes of the files of an index; a file that several nights share is counted once."""

    snapshots: int
    """All nights that are kept."""
    only_in: dict[str, int]
    """Night to bytes of files that no other kept night has: what removing it would free."""
    staging: int
    """What a run under way, or an interrupted one, has finished."""
    features: int
    """What --features keeps."""
    corrections: int
    """What persons said."""
    samples: int
    """The samples that persons judged."""
    runs: int
    """The records of runs."""
    total: int
    """All of these."""
    free: int
    """What is left on the disk."""


class RunsReport(Record):
    """The nights of an index."""

    index: str
    """As given."""
    current: str | None
    """The snapshot that readers see."""
    snapshots: list[str]
    """Those that are kept, oldest first."""
    runs: list[RunRecord]
    """Newest first."""
    samples: list[SampleFigures] = field(default_factory=list)
    """The newest sample of which persons have judged something; empty if there is none."""
    disk: DiskUse | None = None
    """What the index takes on the disk."""


class RollbackReport(Record):
    """A snapshot that was made current again."""

    index: str
    """As given."""
    snapshot: str
    """What is current now."""
    before: str | None
    """What was current; null if it could not be read."""
    rows: int
    """Of the snapshot."""
    run_id: str
    """Of the record that was written."""


class VerifyReport(Record):
    """What was found in the published snapshot."""

    index: str
    """As given."""
    snapshot: str
    """What was checked."""
    rows: int
    """That its manifest names."""
    parts: int
    """That its manifest names."""
    faults: list[str]
    """Empty if all is well."""


class SimilarPicture(Record):
    """A content that is like the one asked about."""

    image_id: str
    """The first that has it."""
    similarity: float
    """Cosine of both features, at most 1."""
    answers: dict[str, str | None]
    """Exclusive group to label; null is none."""
    same: list[str]
    """Every image_id with these bytes."""


class SimilarReport(Record):
    """The pictures of an index that are most like a given one."""

    index: str
    """As given."""
    image: str
    """As given."""
    model: str
    """Name of the bundle whose features were compared."""
    found: list[SimilarPicture]
    """The most similar first."""
    searched: int
    """Distinct contents of the index that have features of this model."""
    contents: int
    """Distinct contents of the index that have scores."""
    sheet: str | None
    """The contact sheet that --sheet wrote."""
