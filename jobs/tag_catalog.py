"""`tagger tag`: one night on an index, from options to a report."""

import shlex
from typing import TYPE_CHECKING

from msgspec import structs

from jobs.models import check_gate
from jobs.page_file import check_writable
from jobs.report import reported
from schemas.nightly import TagReport
from tagger.catalog import Walk
from tagger.errors import EngineError, TaggerError
from tagger.exclusions import Exclusions, complaint
from tagger.index.runs import without_the_locked_out
from tagger.index.spill import Spill
from tagger.index.store import Index
from tagger.index.unlike import mostly_unlike, unlike_words
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.starter import STARTER
from tagger.nightly.context import Night, TagOptions
from tagger.nightly.current_night import current_night
from tagger.nightly.failures import failures_text
from tagger.nightly.metrics_file import write_metrics
from tagger.nightly.night import tag_night
from tagger.nightly.planning import plan_night
from tagger.nightly.run import Run, ended_at_the_door, recorded
from tagger.nightly.scoring import Engine, score

if TYPE_CHECKING:  # few nights end in a search engine
    from jobs.sync import SyncOptions

__all__ = [
    "TagOptions",
    "complaints",
    "dry_run",
    "good_all_the_same",
    "summary_text",
    "tag_catalog",
]


def tag_catalog(options: TagOptions) -> TagReport:
    """Return what was done, after making the index equal to the catalog.

    Raises
    ------
    InputError, GateFailed, Refused, Locked, TimeUp
        Nothing is published then; the error's `report` says how far it came.
    EngineError
        If the night is published, and could not be brought into a search engine.
    """
    engines = _engines(options)  # before hours of work
    with reported(options.index, options.report):
        report = _measured(options)
    _bring(engines, report)
    return report


def _engines(options: TagOptions) -> "list[SyncOptions]":
    """Return which search engines the night is to be brought into.

    Raises
    ------
    InputError
        If what a file says of one makes no sense.
    """
    if not options.sync:
        return []
    from jobs.sync import sync_file

    return [sync_file(file, options.index) for file in options.sync]


def _bring(engines: "list[SyncOptions]", report: TagReport) -> None:
    """Bring a night into search engines: that one is away keeps it from no other."""
    if not engines:
        return
    from jobs.sync import after_the_night

    failed: list[EngineError] = []
    for engine in engines:
        try:
            after_the_night(engine, report.snapshot)
        except EngineError as error:
            failed.append(error)
    if failed:
        failed[0].report = report
        for other in failed[1:]:
            failed[0].add_note(str(other))
        raise failed[0]


def _measured(options: TagOptions) -> TagReport:
    """Return what was done, after writing the metrics, however the run ended."""
    index = Index(options.index)
    run = Run(options.catalog)
    try:
        _tag(options, index, run)
    except BaseException as error:
        # Not even begun: no such catalog or model, locked, or an index of another catalog.
        if run.state == "running":
            ended_at_the_door(index, run, error)
        if isinstance(error, TaggerError):
            error.report = run.report()
        for line in _what_else(index, run, str(error)):
            error.add_note(line)
        raise
    finally:
        if options.metrics is not None:
            write_metrics(options.metrics, index, run)
    return run.report()


def _tag(options: TagOptions, index: Index, run: Run) -> None:
    """Make the index equal to the catalog; how it goes is noted in `run`."""
    until = options.deadline()
    _check_report(options)
    bundle = _model(options)
    walk = _walk(options)
    run.catalog = walk.root
    run.model_id = bundle.model_id
    with (
        index.writing(walk.root, moved=options.same_catalog) as parent,
        recorded(index, run),
        Spill(index.path / "_staging") as spill,
    ):
        night = Night(index, parent, walk, bundle, options, until, run, spill)
        tag_night(night, _engine(options))


def _what_else(index: Index, run: Run, reason: str) -> list[str]:
    """Return what to say below the reason why a run ended early: what became of it, which pictures
    failed, and what readers see meanwhile."""
    lines = []
    if run.state == "killed":
        lines.append(
            "Somebody, a time limit or a shutdown ended this run. Nothing was published; what was "
            "done is kept, and the next run goes on from there"
        )
    if run.state == "published":
        lines.append(
            "The night is published. What should follow, tidying up and saying so, was cut short; "
            "the next run does it"
        )
    if run.state == "failed" and "othing was " not in reason:  # the reason may say so itself
        lines.append(
            "Nothing was published; what was done is kept, and the next run goes on from there"
        )
    if run.state in ("refused", "failed"):
        lines.append(failures_text(run.failures.by_status, run.failures.first))
    if index.is_there():
        lines.append(_readers_see(index))
    return [line for line in lines if line]


def _readers_see(index: Index) -> str:
    """Return which night readers see, as far as that can be told."""
    more = f"More: tagger runs {shlex.quote(str(index.path))}"
    try:
        night = current_night(index, without_the_locked_out(index.runs.newest_first()))
    except Exception:  # nothing may take the place of the reason why the run ended
        return more
    if night is None:
        return f"Readers see no night yet. {more}"
    began = f"{night.began.astimezone():%Y-%m-%d %H:%M}"
    return f"Readers see the night of {began}, {night.manifest.rows:,} rows. {more}"


def dry_run(options: TagOptions) -> TagReport:
    """Return the plan of the night that `tag_catalog` would begin; touches nothing.

    Raises
    ------
    InputError, GateFailed, Refused
        As the night itself would, as far as can be told before a picture is read.
    """
    index = Index(options.index)
    run = Run(options.catalog, exit_code=0)
    try:
        _check_report(options)
        bundle = _model(options)
        walk = _walk(options)
        parent = index.current_of(walk.root, moved=options.same_catalog)
        run.snapshot = parent.path.name if parent else None
        with Spill(None) as spill:
            plan_night(Night(index, parent, walk, bundle, options, options.deadline(), run, spill))
    except TaggerError as error:
        run.exit_code = error.exit_code
        error.report = _planned(run)
        raise
    return _planned(run)


def summary_text(report: TagReport, *, dry: bool = False) -> str:
    """Return the report as text for a terminal."""
    skipped = ", ".join(f"{n:,} {reason}" for reason, n in sorted(report.skipped.items()))
    counts = ", ".join(f"{getattr(report, name):,} {name}" for name in (*_KINDS, "deleted"))
    lines = [f"{report.found:,} pictures: {counts}; skipped: {skipped or 'nothing'}"]
    lines += complaints(report)
    return "\n".join([*lines, *(_plan_lines(report) if dry else _night_lines(report))])


def good_all_the_same(report: TagReport) -> str:
    """Return what to say below warnings of a night that was good."""
    return f"The night was good all the same: {report.found:,} rows in {report.snapshot}"


def complaints(report: TagReport) -> list[str]:
    """Return what somebody should look at though the night was good."""
    idle = [complaint(each.pattern, each.meant) for each in report.idle_patterns]
    return [*idle, *mostly_unlike(report.unlike)]


_KINDS = ("new", "changed", "rescored", "unchanged")


def _plan_lines(report: TagReport) -> list[str]:
    plan = report.plan
    if plan is None:
        return []
    held = f"from features: {plan.from_features:,}; already staged: {plan.staged:,}"
    return [f"to read: {plan.to_read:,}; {held}. Nothing was touched"]


def _night_lines(report: TagReport) -> list[str]:
    again = (
        f"{report.touched:,} touched with the same bytes, {report.reused:,} from an interrupted run"
    )
    rate = f"{report.images_per_second:.0f} images/s"
    told = mostly_unlike(report.unlike)  # among the complaints
    some_unlike = [unlike_words(report.unlike)] if report.unlike and not told else []
    heard = [f"{report.corrected:,} rows with other answers of persons than before"]
    return [
        f"{report.scored:,} contents scored, {again}",
        *(heard if report.corrected else []),
        f"{report.failed:,} without scores, {report.failed_now:,} of them tried tonight",
        *some_unlike,
        f"{report.seconds:.1f} s, {rate}; snapshot {report.snapshot}",
    ]


def _planned(run: Run) -> TagReport:
    """Return the report of a plan, with the counts that the night itself would have."""
    run.seconds["total"] = sum(run.seconds.values())
    report = structs.replace(run.report(), run_id=None)
    if run.plan is None:
        return report
    return structs.replace(
        report,
        **{name: getattr(run.plan, name) for name in (*_KINDS, "found", "deleted")},
        reused=run.plan.staged,
        published_rows=run.plan.found,
    )


def _engine(options: TagOptions) -> Engine:
    if options.engine == "local":
        return score
    from jobs.ray_engine import score_with_ray

    return score_with_ray


def _check_report(options: TagOptions) -> None:
    """Raise InputError, before hours of work, if the page about it could not be written."""
    if options.report is not None:
        check_writable("report", options.report)


def _model(options: TagOptions) -> Bundle:
    bundle = load_bundle(options.model if options.model is not None else STARTER)
    if not options.force_model:
        check_gate(bundle, "--force-model")
    return bundle


def _walk(options: TagOptions) -> Walk:
    return Walk(options.catalog, exclude=Exclusions(options.exclude), include=options.include)
