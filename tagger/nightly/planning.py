"""The beginning of a night: walk the catalog, look at what there is, and plan."""

import time
from collections.abc import Iterator
from itertools import chain

import pyarrow as pa

from schemas.runs import IdlePattern
from tagger.catalog import Walk
from tagger.digests import Contents, DigestKeys, keys_of, raw_keys
from tagger.errors import TimeUp
from tagger.index.buckets import Partitions, bucket_count_tonight
from tagger.index.catalog_plan import together
from tagger.index.known_contents import sorted_contents
from tagger.index.listing import Listing
from tagger.index.plan import Plan
from tagger.index.plan_making import Before, Newest, behind_since, make_plan, within_limit
from tagger.index.previous import Previous
from tagger.index.snapshots import Snapshot
from tagger.index.spill import Spill
from tagger.index.staging import StagedFiles, staged_contents, staged_keys, staged_schema
from tagger.nightly.context import Agenda, Night
from tagger.nightly.gone import gone_ids
from tagger.nightly.guards import (
    check_backfill_can_wait,
    check_columns_stay,
    check_deletions,
    check_not_empty,
    check_starter_is_meant,
)
from tagger.nightly.rescoring import find_features
from tagger.settings import setting

_NO_KEYS = keys_of(pa.chunked_array([], pa.string()))


def plan_night(night: Night) -> Agenda:
    """Return what there is and what is to be done; writes nothing but into the night's `run`.

    Raises
    ------
    InputError
        If the model does not fit the index and the options.
    Refused
        If columns would go, there is no picture, a folder cannot be listed, or too many pictures
        are gone.
    TimeUp
        If the time is up.
    """
    run = night.run
    walk = night.walk
    if night.parent:
        check_model(night, night.parent)
    with run.stage("walk"):
        listing = list_catalog(walk, night.until, night.spill)
    run.skipped = dict(walk.skipped)
    run.idle_patterns = [
        IdlePattern(pattern=idle.pattern, meant=idle.meant) for idle in walk.idle_patterns()
    ]
    check_not_empty(listing.found, walk.root, walk.explanation())
    with run.stage("plan"):
        agenda = _agenda(night, listing)
    run.plan = agenda.plan.counts
    check_deletions(
        agenda.plan.counts.deleted,
        len(agenda.previous),
        limit=night.options.max_delete_rate,
        skipped=walk.skipped,
        gone=lambda: gone_ids(agenda.previous, agenda.plan),
    )
    return agenda


def check_model(night: Night, parent: Snapshot) -> None:
    """Raise InputError or Refused if tonight's model is not meant for this index.

    Looks at no picture.
    """
    options = night.options
    if options.model is None:
        check_starter_is_meant(parent, night.bundle)
    if options.backfill_limit is not None:
        check_backfill_can_wait(parent, night.bundle, options.backfill_limit)
    if not options.replace_columns:
        check_columns_stay(parent, night.bundle)


def list_catalog(walk: Walk, until: float, spill: Spill) -> Listing:
    """Return the catalog.

    Raises
    ------
    TimeUp
        If the time is up.
    """
    listing = Listing(spill)
    for found in walk.batches():
        listing.add(found)
        if time.monotonic() > until:
            raise TimeUp(
                f"the time that {setting('max_seconds')} gives was up before the catalog was "
                "walked, and every night begins with that. Nothing was changed. Allow more time "
                f"with {setting('max_seconds')}"
            )
    return listing


def _agenda(night: Night, listing: Listing) -> Agenda:
    """Return the plan for a listing, and what it rests on."""
    staged = night.staging.files(staged_schema(night.fresh_schema))
    partitions = _partitions(night, staged, listing)
    previous = Previous(night.parent, night.bundle.model_id, partitions.buckets)
    # Known contents take a while: the plan needs them if something is staged, else the scoring.
    known = _known_contents(night, previous, staged) if staged.paths else _NO_KEYS
    plans = _plans(night, listing, previous, partitions, staged, Contents(known))
    plan = together(plans, partitions, staged.paths, night.spill)
    if plan.counts.to_read and not staged.paths:
        known = _known_contents(night, previous, staged)
    return Agenda(previous, known, plan)


def _partitions(night: Night, staged: StagedFiles, listing: Listing) -> Partitions:
    """Return tonight's buckets; what an interrupted first night began with is gone on with."""
    before = night.parent.manifest.buckets if night.parent else staged.buckets
    tonight = bucket_count_tonight(before, listing.found)
    return Partitions(tonight, before=before or tonight, wanted=listing.partitions)


def _plans(
    night: Night,
    listing: Listing,
    previous: Previous,
    partitions: Partitions,
    staged: StagedFiles,
    contents: Contents,
) -> Iterator[Plan]:
    """Yield the plan of each partition."""
    listing.deal(partitions)
    newest = _within_limit(night, listing, previous, partitions)
    unsettled = partitions.split(previous.unsettled)
    for buckets, pictures, marked in zip(partitions, listing, unsettled, strict=True):
        keys = staged_keys(staged.paths, buckets, partitions.buckets)
        before = Before(previous.known(buckets), marked, keys, contents)
        plan = make_plan(pictures, before, night.options.rules, partitions.buckets, newest)
        if newest:
            newest = newest.after(plan.ties)
        yield plan.taking(find_features(plan, previous, night.features))
    listing.clear()


def _within_limit(
    night: Night, listing: Listing, previous: Previous, partitions: Partitions
) -> Newest | None:
    """Return which rows are within the limit for a backfill, of all partitions; None if there is no
    limit, or one partition, which tells by itself."""
    limit = night.options.rules.backfill_limit
    if limit is None or len(partitions) == 1:
        return None
    both = zip(partitions, listing, strict=True)
    times = (behind_since(pictures, previous.known(buckets)) for buckets, pictures in both)
    return within_limit(times, limit)


def _known_contents(night: Night, previous: Previous, staged: StagedFiles) -> DigestKeys:
    """Return contents whose scores need not be computed; a full night trusts none but its own."""
    here = map(raw_keys, staged_contents(staged.paths))
    before = () if night.options.full else previous.contents()
    return sorted_contents(chain(before, here), night.spill)
