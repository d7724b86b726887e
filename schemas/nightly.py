"""What the commands of the index print with --json."""

from schemas.record import Record
from schemas.runs import Counts, IdlePattern, PlanCounts, RunRecord


class TagReport(Counts):
    """What a night did; of one that was refused or stopped, as far as it came."""

    run_id: str | None
    """null with --dry-run"""
    snapshot: str | None
    """what `current` names at the end"""
    plan: PlanCounts | None
    """what was to be done, before anything was read; null if the walk did not end"""
    skipped: dict[str, int]
    """reason to number of things that are no picture"""
    idle_patterns: list[IdlePattern]
    """those of --exclude that matched nothing"""
    seconds: float
    """the whole run"""
    images_per_second: float
    """pictures read per second of waiting for workers and inferring"""
    exit_code: int | None
    """as the command's"""


class RunsReport(Record):
    """The nights of an index."""

    index: str
    """as given"""
    current: str | None
    """the snapshot that readers see"""
    snapshots: list[str]
    """those that are kept, oldest first"""
    runs: list[RunRecord]
    """newest first"""


class RollbackReport(Record):
    """A snapshot that was made current again."""

    index: str
    """as given"""
    snapshot: str
    """what is current now"""
    before: str | None
    """what was current; null if it could not be read"""
    rows: int
    """of the snapshot"""
    run_id: str
    """of the record that was written"""


class VerifyReport(Record):
    """What was found in the published snapshot."""

    index: str
    """as given"""
    snapshot: str
    """what was checked"""
    rows: int
    """that its manifest names"""
    parts: int
    """that its manifest names"""
    faults: list[str]
    """empty if all is well"""


class SimilarPicture(Record):
    """A content that is like the one asked about."""

    image_id: str
    """the first that has it"""
    similarity: float
    """cosine of both features, at most 1"""
    answers: dict[str, str | None]
    """exclusive group to label; null is none"""
    same: list[str]
    """every image_id with these bytes"""


class SimilarReport(Record):
    """The pictures of an index that are most like a given one."""

    index: str
    """as given"""
    image: str
    """as given"""
    model: str
    """name of the bundle whose features were compared"""
    found: list[SimilarPicture]
    """the most similar first"""
    searched: int
    """distinct contents of the index that have features of this model"""
    contents: int
    """distinct contents of the index that have scores"""
    sheet: str | None
    """the contact sheet that --sheet wrote"""
