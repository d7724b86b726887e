"""The report of `--check` as text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from jobs.console.table import plain, table
from schemas.training import CheckFinding, CheckReport, CorrectedPictures, SimilarSet, Trainable
from tagger.datasets.names import COLUMNS
from tagger.datasets.problem_budget import USUAL_PERCENT
from tagger.labels.evidence import evidence_sentence
from tagger.models.card import corrected_sentence
from tagger.pipeline.labelled_sets import showing_none_sentence

_SHOWN = 20


def check_text(report: CheckReport, proposal: str | None = None) -> str:
    """Return the report: what was found, what can be trained from the rest, how good that may be.

    Parameters
    ----------
    proposal : str, optional
        Where the table of renamings was written.
    """
    lines = [
        f"{report.dataset}: {report.named or report.pictures:,} pictures",
        *_finding_lines(report.findings),
        *_folded_lines(report),
        *_proposal_lines(report, proposal),
        *_corrected_lines(report.corrected),
        *_evidence_lines(report),
        *_verdict_lines(report),
        *_trainable_lines(report),
        *(_similar_lines(report.similar) if report.trainable is not None else ()),
    ]
    return "\n".join(map(plain, lines))


def _finding_lines(findings: Sequence[CheckFinding]) -> Iterator[str]:
    yield ""
    if not findings:
        yield "nothing is wrong with them"
        return
    head = ("pictures", "what was found", "")
    rows = [
        (f"{row.pictures:,}", _what(row), "stops a training" if row.stops else "")
        for row in findings
    ]
    titles = table([head, *rows], numbers=(0,))
    yield titles[0]
    for title, row in zip(titles[1:], findings, strict=True):
        yield title
        yield from (f"          {each}" for each in row.first)
        if row.cases > len(row.first):
            yield f"          and {row.cases - len(row.first):,} more, with --json"
        yield f"          > {row.do}"


def _what(row: CheckFinding) -> str:
    """Return what a row is about, with the number of cases where that is not that of pictures."""
    return row.kind if row.cases == row.pictures else f"{row.kind} ({row.cases:,})"


def _folded_lines(report: CheckReport) -> Iterator[str]:
    for each in report.folded[:_SHOWN]:
        others = ", ".join(map(repr, each.others))
        yield (
            f"one label: {each.group}:{each.name} is also written {others} "
            f"({each.pictures:,} pictures)"
        )


def _proposal_lines(report: CheckReport, proposal: str | None) -> Iterator[str]:
    if not report.near_misses:
        return
    yield ""
    if proposal is not None:
        yield f"proposed: {proposal}; take out the rows that are not so, then: --names {proposal}"
        return
    yield "proposed for --names (--propose names.csv writes it):"
    yield f"  {','.join(COLUMNS)}"
    for miss in report.near_misses[:_SHOWN]:
        yield f"  ,{miss.group},{miss.name},{miss.becomes}"


def _corrected_lines(found: CorrectedPictures | None) -> Iterator[str]:
    if found is None:
        return
    yield (
        f"corrected: {found.used:,}, of which {found.both:,} are in the labelled sets too; "
        f"left out: {found.changed:,} changed since, {found.gone:,} gone or unreadable"
    )
    if found.parts is not None:
        yield corrected_sentence(found.parts)


def _evidence_lines(report: CheckReport) -> Iterator[str]:
    if report.trainable is None:
        return
    yield ""
    yield "what groups are judged by:"
    for group in report.evidence:
        yield f"  {evidence_sentence(group)}"


def _verdict_lines(report: CheckReport) -> Iterator[str]:
    """Yield whether a training would stop at these problems, and what may be done about it."""
    if not report.with_problems or not report.named:
        return
    share = 100 * report.with_problems / report.named
    yield ""
    yield f"{report.with_problems:,} of {report.named:,} pictures ({share:.1f} %) have problems"
    given = report.skip_problems
    allows = "" if given is None else f": --skip-problems {given:g} allows {report.allowed or 0:,}"
    if report.with_problems <= (report.allowed or 0):
        unasked = f": files that cannot be read may be {USUAL_PERCENT:g} % of the pictures"
        yield f"a training goes on without them{allows or unasked}"
    elif report.trainable is None:
        yield f"a training stops there{allows}: mend them first"
    elif share <= USUAL_PERCENT or report.with_problems == 1:
        yield f"a training stops there{allows}: mend them, or go on with the rest: --skip-problems"
    else:
        more = allows or f", and they are more than the usual {USUAL_PERCENT:g} %"
        yield (
            f"a training stops there{more}: mend them; --skip-problems "
            f"{min(int(share) + 1, 100)} would go on with the rest all the same"
        )


def _trainable_lines(report: CheckReport) -> Iterator[str]:
    yield ""
    if report.trainable is None:
        yield f"nothing can be trained: {report.cannot}"
        return
    found = report.trainable
    yield (
        f"from {'the rest' if report.with_problems else 'these'}: {found.pictures:,} pictures, "
        f"about {found.train:,} to learn from, {found.validation:,} to choose by and "
        f"{found.test:,} to test on"
    )
    for group, labels in found.groups.items():
        unknown = found.unknown.get(group, 0)
        tail = f"; unknown on {unknown:,} pictures" if unknown else ""
        yield f"  {group}: {_counted(labels)}{tail}"
    for group, n in found.none.items():
        yield f"  {showing_none_sentence(group, n)}"
    yield from _pair_lines(report.pairs, found)


def _pair_lines(pairs: Mapping[str, int], found: Trainable) -> Iterator[str]:
    if len(found.groups) < 2 or not pairs:
        return
    commonest = sorted(pairs.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{name} {n:,}" for name, n in commonest[:_SHOWN])
    more = f" and {len(pairs) - _SHOWN:,} more" if len(pairs) > _SHOWN else ""
    yield f"  pairs: {shown}{more}"


def _counted(labels: Mapping[str, int]) -> str:
    """Return labels with their pictures, the commonest first."""
    commonest = sorted(labels.items(), key=lambda label: (-label[1], label[0]))
    shown = ", ".join(f"{name} {n:,}" for name, n in commonest[:_SHOWN])
    more = f" and {len(labels) - _SHOWN:,} more" if len(labels) > _SHOWN else ""
    return f"{len(labels):,} labels: {shown}{more}" if labels else "no label, so it is not learned"


def _similar_lines(similar: Sequence[SimilarSet]) -> Iterator[str]:
    yield ""
    if not similar:
        yield "no set of about this size and number of labels has been measured"
        return
    yield "sets of about this size and number of labels became so good, which is no promise:"
    for group in dict.fromkeys(each.group for each in similar):
        of = [each for each in similar if each.group == group]
        low, high = min(each.low for each in of), max(each.high for each in of)
        reached = f"{low:g} %" if low == high else f"{low:g} to {high:g} %"
        yield f"  {group}: {reached} of the test pictures right"
        for each in of:
            yield (
                f"    {each.labels} labels, {each.pictures:,} pictures: {_range(each)} "
                f"({each.what})"
            )


def _range(each: SimilarSet) -> str:
    return f"{each.low:g} %" if each.low == each.high else f"{each.low:g} to {each.high:g} %"
