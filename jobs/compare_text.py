"""A comparison as tables, and these as text for a terminal; the page has the same tables."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import asdict

from schemas.comparison import (
    ComparedAnswers,
    ComparedLabel,
    CompareReport,
    Flip,
    LabelFigures,
    NotCompared,
)
from tagger.evaluation.comparison_verdict import flip_words
from tagger.evaluation.figures import chance, listed, percent, points, share_of
from tagger.report.judged import judged_once

_FLIPS = 20
_NAMED = 3
_ONLY = 12

_REASONS = {
    "unreadable": "unreadable",
    "train": "trained on by one of them",
    "validation": "used to choose one of them",
    "like_trained": "look the same as one of these",
    "duplicate": "duplicates",
    "near_duplicate": "near-duplicates",
}


class Table(NamedTuple):
    """A table for persons: the first column is words, the others are figures."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def report_text(report: CompareReport) -> str:
    """Return the report as text for a terminal."""
    found = report.comparison
    lines = [
        f"A  {report.a.name} ({report.a.given})",
        f"B  {report.b.name} ({report.b.given})",
        f"on {report.on}",
        *notes_of(report),
        "",
        found.sentence,
    ]
    for table in tables_of(report):
        lines += ["", table.title, *_aligned([table.head, *table.rows])]
        lines += [table.note] if table.note else []
    lines += [
        "",
        f"{found.flipped:,} of {found.pictures:,} pictures have another answer in B",
        *_flips(found.flips),
    ]
    if report.html:
        lines += ["", f"the page with pictures: {report.html}"]
    return "\n".join(_printable(line) for line in lines)


def notes_of(report: CompareReport) -> list[str]:
    """Return what was compared, and what was not, a sentence each."""
    found = report.comparison
    notes = [f"{found.pictures:,} pictures compared"]
    if report.left_out is not None and (said := left_out_words(report.left_out)):
        notes.append(f"left out: {said}")
    notes += _contradictions(report)
    if report.rows is not None:
        rows = report.rows
        notes[0] = (
            f"{rows.compared:,} pictures are in both nights with the same bytes and scores "
            f"(A has {rows.a:,} rows, B {rows.b:,})"
        )
        others = (
            (rows.other_bytes, "with other bytes"),
            (rows.without_scores, "without scores in one or both"),
            (rows.only_a, "in A alone"),
            (rows.only_b, "in B alone"),
        )
        if said := ", ".join(f"{n:,} {why}" for n, why in others if n):
            notes.append(f"not compared: {said}")
        notes += judged_once(rows)
        notes.append("answers are the models' own, also where a person's stands in the row")
    for who, alone in (("A", found.only_a), ("B", found.only_b)):
        split = [label for label in alone if label in found.counts_as]
        notes += [_split_words(who, label, found.counts_as[label]) for label in split]
        if labels := [label for label in alone if label not in split]:
            notes.append(f"only {who} knows {_some(labels)}: not compared")
    if report.unknown_labels:
        notes.append(
            "not in both models, so their pictures are not judged: "
            + _some([*report.unknown_labels])
        )
    return notes


def _contradictions(report: CompareReport) -> Iterator[str]:
    """Yield where labelled sets contradict each other, or themselves."""
    if n := report.labelled_again:
        yield (
            f"{n:,} {'picture has' if n == 1 else 'pictures have'} different labels in several of "
            "the sets: only what the last set says of a picture counts; to have all of it, put it "
            "into one table"
        )
    if n := report.copies_labelled_otherwise:
        yield (
            f"{n:,} of the duplicates and near-duplicates {'has' if n == 1 else 'have'} other "
            "labels than the picture that counts instead: one of the two may be wrong; 'tagger "
            "train --check' lists such pictures as conflicts"
        )


def _split_words(who: str, label: str, olds: Sequence[str]) -> str:
    """Return what a label counts as that one alone knows."""
    return (
        f"only {who} knows {label}, which was split from {listed(olds)}: it is no mistake of {who} "
        f"where {' or '.join(olds)} is right, and counts as that"
    )


def left_out_words(left_out: NotCompared) -> str:
    """Return how many pictures were left out, by reason, in words."""
    return ", ".join(f"{n:,} {_REASONS[why]}" for why, n in asdict(left_out).items() if n)


def tables_of(report: CompareReport) -> list[Table]:
    """Return the tables of a comparison."""
    found = report.comparison
    rows = [*found.groups, found.all] if len(found.groups) > 1 else found.groups
    tables = [_answers_table(rows)]
    if report.label_rows:
        tables.append(_rows_table(report))
    shown = [row for row in found.labels if row.positives or row.a.pictures or row.b.pictures]
    known = any(row.pictures for row in shown)
    if shown and (known or not report.label_rows):
        tables.append(_labels_table(shown, len(found.labels) - len(shown), known=known))
    return tables


def _answers_table(rows: Sequence[ComparedAnswers]) -> Table:
    """Return the answers of each group, and of all."""
    head = ["", "pictures", "same answers"]
    if any(row.right for row in rows):
        head += ["known", "A right", "B right", "points", "95 %", "A alone", "B alone", "p"]
    return Table("Answers", head, [_answers_row(row, len(head)) for row in rows], _tests_note(rows))


def _answers_row(row: ComparedAnswers, width: int) -> list[str]:
    cells = [row.group or "all", f"{row.pictures:,}", share_of(row.same, row.pictures)]
    right = row.right
    if right is not None:
        ends = "-" if right.low is None else f"{points(right.low)} to {points(right.high)}"
        cells += [
            f"{right.pictures:,}",
            share_of(right.a_right, right.pictures),
            share_of(right.b_right, right.pictures),
            points(right.difference),
            ends,
            f"{right.a_alone:,}",
            f"{right.b_alone:,}",
            chance(right.p_adjusted),
        ]
    return cells + ["-"] * (width - len(cells))


def _tests_note(rows: Sequence[ComparedAnswers]) -> str:
    if not any(row.right is not None and row.right.p is not None for row in rows):
        return ""
    return (
        "A alone, B alone: pictures that one of them alone has right; p under 0.05 is more than "
        "chance (exact McNemar test, corrected by Holm for the number of rows in which six or more "
        "pictures differ)"
    )


def _labels_table(labels: Sequence[ComparedLabel], others: int, *, known: bool) -> Table:
    """Return the figures of each label."""
    note = f"{others:,} more labels: no picture has them, and neither gives them" if others else ""
    if not known:
        head = ["label", "A gives", "B gives"]
        counts = [[row.label, f"{row.a.pictures:,}", f"{row.b.pictures:,}"] for row in labels]
        return Table("Labels", head, counts, note)
    with_ap = any(row.a.ap is not None for row in labels)
    names = [*(["AP"] if with_ap else []), "precision", "recall", "F1"]
    head = ["label", "known", "have it"]
    head += [f"{name} {who}" for name in names for who in "AB"]
    head += ["A alone", "B alone", "p"]
    rows = [_label_row(row, with_ap=with_ap) for row in labels]
    return Table("Labels", head, rows, note)


def _label_row(row: ComparedLabel, *, with_ap: bool) -> list[str]:
    cells = [row.label, f"{row.pictures:,}", f"{row.positives:,}"]
    pairs = zip(_figures(row.a, with_ap), _figures(row.b, with_ap), strict=True)
    cells += [percent(value) for pair in pairs for value in pair]
    if row.right is None:
        return [*cells, "-", "-", "-"]
    right = row.right
    return [*cells, f"{right.a_alone:,}", f"{right.b_alone:,}", chance(right.p_adjusted)]


def _figures(one: LabelFigures, with_ap: bool) -> list[float | None]:
    return [*([one.ap] if with_ap else []), one.precision, one.recall, one.f1]


def _rows_table(report: CompareReport) -> Table:
    """Return how many rows of each night have each label."""
    rows = [
        [
            row.label,
            f"{row.a:,}",
            f"{row.b:,}",
            percent(row.a_share),
            percent(row.b_share),
            points(
                None if row.a_share is None or row.b_share is None else row.b_share - row.a_share
            ),
        ]
        for row in report.label_rows
        if row.a or row.b
    ]
    head = ["label", "rows A", "rows B", "share A", "share B", "points"]
    return Table("Rows with each label, of all with scores", head, rows)


def _flips(flips: Sequence[Flip]) -> Iterator[str]:
    for flip in flips[:_FLIPS]:
        yield f"  {flip_words(flip)}: {', '.join(flip.first[:_NAMED])}" + (
            " ..." if flip.pictures > _NAMED else ""
        )
    if len(flips) > _FLIPS:
        yield f"  {len(flips) - _FLIPS:,} more kinds of flips with --json"


def _some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _ONLY:,} more" if len(labels) > _ONLY else ""
    return ", ".join(labels[:_ONLY]) + more


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _printable(text: str) -> str:
    """Return text whose file names cannot move the cursor or color the screen."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
