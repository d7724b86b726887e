"""The gate in plain words: what a card says, and what a terminal shows."""

from collections.abc import Iterator

from schemas.bundle import ComparedPart, Gate
from tagger.evaluation.figures import percent


def gate_sentence(gate: Gate) -> str:
    """Return what the gate found in one sentence, as `passed: color right from 97.9 % to ...`."""
    if not gate.passed:
        return f"failed: {'; '.join(gate.worse)}"
    parts = [_part(part) for part in gate.parts]
    if gate.unmeasured:
        parts.append(f"{len(gate.unmeasured)} labels not measured: no test picture has them")
    return f"passed: {'; '.join(parts)}" if parts else "passed"


def gate_lines(gate: Gate) -> Iterator[str]:
    """Yield the comparison with the parent, line by line."""
    verdict = "passed" if gate.passed else "failed"
    yield f"gate: {verdict}, compared with {gate.parent} on its labels"
    for part in gate.parts:
        yield from _part_lines(part)
    yield from (f"worse: {text}" for text in gate.worse)
    yield from (f"not refused: {text}" for text in gate.within_chance)
    if gate.unmeasured:
        yield f"not measured, since no test picture has them: {', '.join(gate.unmeasured)}"


def _part(part: ComparedPart) -> str:
    """Return both models on the pictures of one origin."""
    changes = [("macro AP", part.macro_ap.parent, part.macro_ap.now)]
    changes += [(f"{row.group} right", row.parent, row.now) for row in part.groups]
    said = [f"{what} from {percent(was)} to {percent(now)}" for what, was, now in changes]
    return f"on {part.pictures:,} pictures of the {part.part}, {', '.join(said)}"


def _part_lines(part: ComparedPart) -> Iterator[str]:
    """Yield how both models do on the test pictures of one origin."""
    rows = [
        ("macro AP", "", part.macro_ap.parent, part.macro_ap.now),
        *((f"AP {x.label}", f"{x.positives:,}", x.parent, x.now) for x in part.labels),
        *((f"{x.group} right, of", f"{x.pictures:,}", x.parent, x.now) for x in part.groups),
    ]
    yield f"{part.part}, {part.pictures:,} pictures; tags changed on {part.tags_changed:.1%}"
    yield f"  {'':24} positives   parent      now"
    for what, n, before, now in rows:
        if now is not None:
            yield f"  {what:24} {n:>9}  {percent(before):>7}  {percent(now):>7}"
