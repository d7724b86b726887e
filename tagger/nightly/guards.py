"""What stops a night before it publishes something doubtful.

Each guard says why, and how to override it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tagger.catalog import Walk
from tagger.errors import InputError, MachineFault, Refused
from tagger.imaging.file_facts import FileFacts
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.columns import has_columns
from tagger.index.rows import schema_of
from tagger.index.snapshots import Snapshot
from tagger.models.bundle import Bundle
from tagger.nightly.context import Night
from tagger.nightly.gone import where_they_lay
from tagger.nightly.run import Run
from tagger.settings import setting

MIN_DELETIONS = 20
"""Fewer deletions than this never refuse a run."""

MIN_FAILURES = 20
"""Fewer failures than this never refuse a run."""

_SHOWN = 5


def estimated_bytes(night: Night, plan: CatalogPlan) -> int:
    """Return what staging, rewritten parts, changes and features may take on the disk."""
    parent = night.parent
    # From what real catalogs took: the digest alone does not compress.
    per_row = 200 + 8 * len(night.bundle.vocabulary)
    features = 2 * night.features.width if night.options.features else 0
    before = parent.schema() if parent else None
    grown = before is not None and not has_columns(before, night.fresh_schema)
    split = parent is not None and parent.manifest.buckets != plan.buckets
    rewritten = sum(
        part.bytes
        for part in (parent.manifest.parts if parent else [])
        if grown
        or split
        or plan.fresh[part.bucket]
        or plan.carried[part.bucket] != part.rows
        or part.bucket in night.spoken
    )
    staged = plan.counts.to_read + plan.counts.from_features
    return int(rewritten + per_row * (plan.fresh.sum() + staged) + features * plan.counts.to_read)


def check_not_empty(pictures: int, root: str, explanation: str = "") -> None:
    """Refuse a catalog without a picture: an unmounted share looks like one.

    `explanation` says what was skipped.
    """
    if not pictures:
        said = f"; {explanation}" if explanation else ""
        raise Refused(
            f"catalog {root!r} holds no picture; is it mounted? Nothing was changed{said}"
        )


def check_deletions(
    deleted: int,
    before: int,
    *,
    limit: float,
    skipped: Mapping[str, int],
    gone: Callable[[], Iterable[str]],
) -> None:
    """Refuse a night that would delete too many rows.

    What is left out of the catalog counts as deleted. `gone` is asked for the ids of those rows if
    it comes to that.
    """
    if deleted >= MIN_DELETIONS and deleted > limit * before:
        kinds = [kind for kind in ("system_folder", "excluded") if skipped.get(kind)]
        left_out = " and ".join(f"{skipped[kind]:,} {kind}" for kind in kinds)
        said = f" What is left out of the catalog ({left_out}) is gone too." if left_out else ""
        raise Refused(
            f"{deleted:,} of {before:,} pictures are gone, more than {limit:.0%}"
            f"{_told(gone())}; nothing was changed. Is everything mounted?{said} If they are meant "
            f"to be gone, allow it once with {setting('max_delete_rate')} 1"
        )


def check_still_there(gone: int, found: int, *, walk: Walk, limit: float) -> None:
    """Refuse a night in which the catalog went away after the walk.

    An unmounted share looks like deletions.
    """
    if not walk.is_still_there() or (gone >= MIN_DELETIONS and gone > limit * found):
        raise Refused(
            f"{gone:,} of {found:,} pictures went away between walk and reading; is {walk.root!r} "
            "mounted? Nothing was changed. Start again when the catalog is there, or if they were "
            f"deleted, once with {setting('max_delete_rate')} 1"
        )


def check_error_rate(counts: Counter[str], limit: float, still_to_try: int) -> None:
    """Refuse a night with too many failures.

    Before its end only if the rest can no longer mend the rate. Pictures that failed before, have
    not changed and fail again are no news, and count in neither number; nor do those that the
    machine could not read.
    """
    others = counts["failed_again"] + counts["lacking"]
    failed = counts["failed_now"] - others
    tried = counts["tried"] - others
    if failed >= MIN_FAILURES and failed > limit * (tried + still_to_try):
        raise Refused(
            f"{failed:,} of {tried:,} pictures tried failed, more than {limit:.0%}; nothing was "
            "published. Is a delivery damaged, or half copied? If that is to be so, allow it once "
            f"with {setting('max_error_rate')} 1"
        )


def check_readable(run: Run, *, ended: bool = False) -> None:
    """End a night whose machine cannot read pictures: many, or at its end all of several.

    Unless it could not read any of those before, either: they must not keep all else from being
    published.
    """
    lacking = run.counts["lacking"]
    tried = run.counts["tried"] - run.counts["reused"]
    all_of_several = 1 < lacking == tried and run.counts["lacking_anew"]
    if lacking >= MIN_FAILURES or (ended and all_of_several):
        raise MachineFault(
            f"{lacking:,} of {tried:,} pictures tried could not be read, which is not their fault; "
            f"first {run.lack}. Nothing was published; what was read is kept for the next run"
        )


def check_answering(facts: Sequence[FileFacts], counts: Counter[str], root: str) -> None:
    """Refuse to go on where every reading hangs.

    A share that is dead takes the timeout for each picture.
    """
    for one in facts:
        hangs = one.status == "timeout" and one.content_sha256 is None
        counts["hanging"] = counts["hanging"] + 1 if hangs else 0
    if counts["hanging"] >= MIN_FAILURES:
        raise Refused(
            f"{counts['hanging']} pictures in a row could not be read in time; does {root!r} still "
            "answer? Nothing was published, what was done is kept. Start again when it does, or "
            f"allow more time with {setting('decode_timeout')}"
        )


def check_starter_is_meant(parent: Snapshot, bundle: Bundle) -> None:
    """Refuse to score an index again with the starter model only because a night named no model."""
    if parent.manifest.model_id != bundle.model_id:
        lost = f" {setting('replace_columns')}" if columns_that_would_go(parent, bundle) else ""
        raise InputError(
            f"no {setting('model')} was given, and this index was scored by "
            f"{parent.manifest.model_id[:12]}..., not by this version's starter model; give "
            f"{setting('model')}, or to score all of it with the starter "
            f"{setting('model')} {str(bundle.path)!r}{lost}"
        )


def columns_that_would_go(parent: Snapshot, bundle: Bundle) -> list[str]:
    """Return what readers of a snapshot would miss in rows of this model, in words.

    Columns, and what they mean.

    Raises
    ------
    StoreError
        If the file that names the columns is damaged.
    """
    published = parent.schema()
    now = schema_of(bundle.vocabulary)
    gone = []
    for field in published or ():
        meaning = _meaning(field)
        if meaning and field.name not in now.names:
            gone.append(f"{field.name} ({meaning})")
        elif meaning and meaning != (other := _meaning(now.field(field.name))):
            gone.append(f"{field.name} ({meaning}, which would be {other})")
    labels = parent.labels()
    answered = set(labels["group"].filter(pc.invert(labels["retired"])).to_pylist())
    views = {group.name for group in bundle.vocabulary.exclusive_groups}
    turned = sorted(views & answered - set(parent.manifest.groups))
    gone += [f"tags (of {group}, which would have one at most)" for group in turned]
    if gone and parent.manifest.parts:
        # A bit that has turned on the disk may stand in a column's name.
        parent.read_whole(parent.manifest.parts[0])
    return gone


def _meaning(field: pa.Field) -> str:
    """Return what a column says: a label's score, a group's answer, or nothing of a model."""
    facts = field.metadata or {}
    if b"label" in facts:
        return f"{facts[b'group'].decode()}:{facts[b'label'].decode()}"
    return f"answer of {facts[b'group'].decode()}" if b"group" in facts else ""


def check_columns_stay(parent: Snapshot, bundle: Bundle) -> None:
    """Refuse a night that would take columns from the index, or give them another meaning.

    Readers filter on them.
    """
    if gone := columns_that_would_go(parent, bundle):
        raise Refused(
            f"the model {bundle.name} would take from this index what its readers may ask for: "
            f"{_first(gone)}. Nothing was changed. Retrain from the model that scored it ('tagger "
            f"retrain' keeps every column), tag into another {setting('index')}, or if that is "
            f"meant, allow it with {setting('replace_columns')}"
        )


def check_backfill_can_wait(parent: Snapshot, bundle: Bundle, limit: int) -> None:
    """Refuse to keep rows of an older model where tonight's model lacks their columns."""
    if sum(part.rows for part in parent.manifest.parts) <= limit:
        return
    if gone := columns_that_would_go(parent, bundle):
        raise InputError(
            f"{setting('backfill_limit')} keeps rows of older models, and the model {bundle.name} "
            f"does not have their {_first(gone)}. Nothing was changed; score all at once (without "
            f"{setting('backfill_limit')}), or retrain from the model that scored them"
        )


def _told(ids: Iterable[str]) -> str:
    where = where_they_lay(ids)
    return f": {where}" if where else ""


def _first(texts: list[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
