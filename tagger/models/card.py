"""The model card: what a stranger should know before using a bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.bundle import Metrics, Threshold
from schemas.evaluation import Evaluation, LabelMeasures, PairMeasures
from schemas.training import CorrectedParts, PictureCounts, UnlabelledTaught, UnteachablePair
from tagger.labels.vocabulary import Vocabulary

_SHOWN = 60

# Named as failing: so many at most, below this, measured on so many.
_WORST = 12
_WEAK = 0.8
_MIN_TESTED = 10

_TEXT = """# {name}

A multi-label tagger for product photographs: SmallerVGGNet, one sigmoid head,
{labels} labels{groups}.

- `model_id`: `{model_id}`{lineage}
- trained on: {facts.source}
- pictures: {pictures.train} for training, {pictures.validation} for validation (best epoch,
  calibration, thresholds), {pictures.test} for testing; near-duplicates never straddle parts;
  {pictures.unreadable} could not be read{skipped}{corrected}{unlabelled}
- recipe: {facts.recipe}; epochs: {facts.epochs}, epoch {facts.best_epoch} kept{way};
  seed {facts.seed}
- made by `{facts.command}`
- parameters: {facts.parameters:,}

## Measured on the test part, which nothing saw

{verdict}.

| measure | value |
|---|---|
{measure_rows}

| label | positives | threshold (90 % interval) | AP | precision | recall | F1 |
|---|---|---|---|---|---|---|
{label_rows}

`reliability.png` shows how often scores hold, `history.png` the training.

## Combinations

{combinations}

## Where it fails

{failures}

## What it is not for

Scores are calibrated for pictures like those it was trained on. Other cameras, croppings and
compressions shift them; measure on your own labelled pictures (`tagger evaluate`) before you rely
on a threshold. It says nothing about people.
"""


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What a card says of how the model was made.

    Attributes
    ----------
    pictures : PictureCounts
    source : str
        The labelled sets.
    command : str
        What made it.
    recipe : str
    seed, epochs : int
    best_epoch : int
        The epoch that was kept, from 1.
    way : float
        How much of the way from what it began with to what was fitted the weights went.
    parameters : int
        Of the network.
    unteachable : sequence of UnteachablePair
    lineage : sequence of str
        Lines on the model that it comes from.
    corrected : CorrectedParts, optional
        How many of the pictures persons corrected; None without corrections.
    unlabelled : UnlabelledTaught, optional
        What pictures without labels taught; None without such pictures.
    """

    pictures: PictureCounts
    source: str
    command: str
    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    way: float
    parameters: int
    unteachable: Sequence[UnteachablePair] = ()
    lineage: Sequence[str] = ()
    corrected: CorrectedParts | None = None
    unlabelled: UnlabelledTaught | None = None


def model_card(
    *,
    name: str,
    model_id: str,
    vocabulary: Vocabulary,
    facts: TrainingFacts,
    thresholds: Sequence[Threshold],
    metrics: Metrics,
    verdict: str,
) -> str:
    """Return the text of a bundle's README.md.

    Parameters
    ----------
    thresholds : sequence of Threshold
        One per label, in column order.
    verdict : str
        How good it is, in one sentence.
    """
    evaluation = metrics.evaluation
    groups = "".join(
        f"; {group.name} ({'exclusive' if group.exclusive else 'any number'}, judged by "
        f"{group.evidence})"
        for group in vocabulary.groups
    )
    rows = zip(evaluation.labels, thresholds, strict=True)
    return _TEXT.format(
        name=name,
        model_id=model_id,
        labels=len(vocabulary),
        groups=groups,
        lineage="".join(f"\n- {line}" for line in facts.lineage),
        facts=facts,
        way=_way(facts.way),
        pictures=facts.pictures,
        skipped=_skipped(facts.pictures),
        unlabelled=""
        if facts.unlabelled is None
        else f"\n- {unlabelled_sentence(facts.unlabelled)}",
        corrected="" if facts.corrected is None else f"\n- {corrected_sentence(facts.corrected)}",
        verdict=verdict,
        measure_rows="\n".join(_measure_rows(metrics)),
        label_rows="\n".join(_label_row(*row) for row in rows),
        combinations=_combinations(evaluation.combinations, facts.unteachable),
        failures="\n\n".join(_failures(evaluation)),
    )


def _way(way: float) -> str:
    return f", {way:.0%} of the way from what it began with" if way < 1 else ""


def unlabelled_sentence(taught: UnlabelledTaught) -> str:
    """Return what pictures without labels taught, and what that was worth."""
    found = (
        f"pictures without labels: a first model was sure of {taught.sure:,} of {taught.pictures:,}"
    )
    if taught.loss_with is None:
        return f"{found}, too few to learn from"
    losses = f"{taught.loss_with:.4f} with them and {taught.loss_without:.4f} without"
    verb = "taught this one" if taught.kept else "were left out again"
    noise = "" if taught.noise is None else f", their difference known to ± {taught.noise:.4f}"
    return f"{found}; these {verb}: the loss on the validation part was {losses}{noise}"


def corrected_sentence(parts: CorrectedParts) -> str:
    """Return where corrected pictures are, and what that means for figures of the test part."""
    counts = (
        f"corrected pictures: {parts.train:,} in the part for training, {parts.validation:,} for "
        f"validation, {parts.test:,} for testing"
    )
    if not parts.test:
        return counts
    return f"{counts}; figures of the test part rest partly on pictures that somebody chose"


def _skipped(pictures: PictureCounts) -> str:
    if not pictures.skipped:
        return ""
    return f";\n  {pictures.skipped} had problems: left out, or unknown where they had one"


def _measure_rows(metrics: Metrics) -> Iterator[str]:
    """Yield the rows of the table of measures."""
    evaluation = metrics.evaluation
    before = number(metrics.calibration.before)
    yield f"| macro average precision | {number(evaluation.macro_ap)} |"
    yield f"| exact match (all tags right) | {number(evaluation.exact_match)} |"
    yield f"| binary accuracy | {number(evaluation.binary_accuracy)} |"
    after = number(evaluation.calibration_error)
    yield f"| calibration error, before and after | {before} and {after} |"
    for group in evaluation.groups:
        yield f"| {group.group}: answer right, none included | {number(group.right)} |"
        yield f"| {group.group}: likeliest label right | {number(group.top1)} |"
    for pairs, what in ((evaluation.seen, "seen"), (evaluation.unseen, "unseen")):
        if pairs.pictures:
            share = f"{pairs.share:.4f} ({pairs.low:.3f} to {pairs.high:.3f}, "
            share += f"n = {pairs.pictures:,})"
            yield f"| both answers right, pairs {what} in training | {share} |"
    if evaluation.harmonic_mean is not None:
        yield f"| harmonic mean of the two | {number(evaluation.harmonic_mean)} |"


def _label_row(row: LabelMeasures, threshold: Threshold) -> str:
    measures = " | ".join(map(number, (row.ap, row.precision, row.recall, row.f1)))
    limits = f"{row.threshold:.4f} ({threshold.low:.2f} to {threshold.high:.2f})"
    return f"| {row.label} | {row.positives} | {limits} | {measures} |"


def _combinations(pairs: Sequence[PairMeasures], unteachable: Sequence[UnteachablePair]) -> str:
    # Pairs that no picture trained, but that were measured, come first: they are the ones to know
    # about.
    rows = sorted(pairs, key=lambda row: (row.trained > 0, -row.trained, -row.pictures))
    text = "| pair | training pictures | tested | both right |\n|---|---|---|---|\n" + "\n".join(
        f"| {' + '.join(row.pair)} | {row.trained:,} | {row.pictures:,} | {row.both_right:,} |"
        for row in rows[:_SHOWN]
    )
    if not rows:
        text = "No picture is known to have labels of two exclusive groups."
    if len(rows) > _SHOWN:
        text += f"\n\n{len(rows) - _SHOWN} more in metrics.json."
    if unteachable:
        named = "; ".join(f"{' + '.join(row.pair)} ({row.reason})" for row in unteachable[:_SHOWN])
        more = f"; and {len(unteachable) - _SHOWN} more" if len(unteachable) > _SHOWN else ""
        text += f"\n\nNot to be trusted on pairs that these pictures cannot teach: {named}{more}."
    return text


def _failures(evaluation: Evaluation) -> Iterator[str]:
    """Yield the labels with the least F1, and the pairs least often right, as text."""
    weak = [(row.f1, row) for row in evaluation.labels if row.f1 is not None and row.f1 < _WEAK]
    weak.sort(key=lambda of_label: of_label[0])
    labels = [
        f"{row.label} (precision {number(row.precision)}, recall {number(row.recall)})"
        for _, row in weak[:_WORST]
    ]
    if labels:
        yield f"Weakest labels: {'; '.join(labels)}."
    else:
        yield f"Every measured label has an F1 of at least {_WEAK}."
    tested = [row for row in evaluation.combinations if row.pictures >= _MIN_TESTED]
    tested.sort(key=lambda row: row.both_right / row.pictures)
    pairs = [
        f"{' + '.join(row.pair)} ({row.both_right:,} of {row.pictures:,} right)"
        for row in tested[:_WORST]
        if row.both_right < _WEAK * row.pictures
    ]
    if pairs:
        yield f"Weakest pairs of {_MIN_TESTED} or more tested pictures: {'; '.join(pairs)}."


def number(value: float | None) -> str:
    """Return a measure with four decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"
