"""The beginning of a night: walk the catalog, look at what there is, and plan."""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa

from schemas.runs import IdlePattern
from tagger.catalog import Walk
from tagger.digests import Contents, DigestKeys, keys_of, sorted_keys
from tagger.errors import TimeUp
from tagger.index.plan import LISTING, Before, make_plan, tables_of
from tagger.index.previous import Previous
from tagger.index.snapshots import Snapshot
from tagger.index.staging import Staged, staged_schema
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
        listing = list_catalog(walk, night.until)
    run.skipped = dict(walk.skipped)
    run.idle_patterns = [
        IdlePattern(pattern=idle.pattern, meant=idle.meant) for idle in walk.idle_patterns()
    ]
    check_not_empty(len(listing), walk.root, walk.explanation())
    with run.stage("plan"):
        agenda = _agenda(night, listing)
    run.plan = agenda.plan.counts
    check_deletions(
        agenda.plan.counts.deleted,
        len(agenda.previous),
        limit=night.options.max_delete_rate,
        skipped=walk.skipped,
        gone=lambda: gone_ids(agenda.previous, agenda.plan.listing),
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


def list_catalog(walk: Walk, until: float) -> pa.Table:
    """Return the catalog as `tagger.index.plan.LISTING`.

    Raises
    ------
    TimeUp
        If the time is up.
    """
    tables = [LISTING.empty_table()]
    for table in tables_of(walk.by_folder()):
        tables.append(table)
        if time.monotonic() > until:
            raise TimeUp(
                f"the time that {setting('max_seconds')} gives was up before the catalog was "
                "walked, and every night begins with that. Nothing was changed. Allow more time "
                f"with {setting('max_seconds')}"
            )
    return pa.concat_tables(tables).combine_chunks()


def _agenda(night: Night, listing: pa.Table) -> Agenda:
    """Return the plan for a listing, and what it rests on."""
    previous = Previous(night.parent, night.bundle.model_id)
    staged = night.staging.list(staged_schema(night.fresh_schema))
    # Known contents take a while: the plan needs them if something is staged, else the scoring.
    known = _known_contents(night, previous, staged) if len(staged.keys) else _NO_KEYS
    before = Before(
        known=previous.known(),
        unsettled=previous.unsettled,
        staged=staged,
        contents=Contents(known),
        buckets=night.parent.manifest.buckets if night.parent else None,
    )
    plan = make_plan(listing, before, night.options.rules)
    plan = plan.taking(find_features(plan, previous, night.features))
    agenda = Agenda(previous, staged, known, plan)
    if plan.counts.to_read and not len(staged.keys):
        return replace(agenda, known=_known_contents(night, previous, staged))
    return agenda


def _known_contents(night: Night, previous: Previous, staged: Staged) -> DigestKeys:
    """Return contents whose scores need not be computed; a full night trusts none but its own."""
    here = keys_of(staged.keys.filter(staged.keys["scored"])["content_sha256"])
    if night.options.full:
        return here
    return sorted_keys(np.concatenate([previous.contents(), here]))
