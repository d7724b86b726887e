"""The model card: what a stranger should know before using a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.bundle import Metrics, Threshold
from schemas.evaluation import Evaluation
from schemas.training import PictureCounts, UnteachablePair
from tagger.labels.vocabulary import Group, Vocabulary

_SHOWN = 60
# Named as failing: so many at most, below this share, measured on so many.
_WORST = 12
_WEAK = 0.8
_MIN_TESTED = 10

_TEXT = """# {name}

A multi-label tagger for product photographs: SmallerVGGNet, one sigmoid head,
{labels} labels{groups}.

- `model_id`: `{model_id}`{lineage}
- trained on: {source}
- pictures: {train} for training, {validation} for validation (best epoch, calibration,
  thresholds), {test} for testing; near-duplicates never straddle parts; {unreadable} could not be
  read
- recipe: {recipe}; epochs: {epochs}, epoch {best} kept; seed {seed}
- made by `{command}`
- parameters: {parameters:,}

## Measured on the test part, which nothing saw

{verdict}.

| measure | value |
|---|---|
| macro average precision | {macro_ap} |
| exact match (all tags right) | {exact_match} |
| binary accuracy | {binary_accuracy} |
| calibration error, before and after | {before} and {calibration_error} |
{group_rows}
{pair_rows}

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


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says of a training.

    Attributes
    ----------
    pictures : PictureCounts
    source : str
        What the labelled sets are called.
    command : str
        What a person typed.
    recipe : str
    seed, epochs, best_epoch, parameters : int
        The best epoch counts from 1.
    unteachable : sequence of UnteachablePair
    lineage : sequence of str
        Where the model comes from, line by line.
    """

    pictures: PictureCounts
    source: str
    command: str
    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    parameters: int
    unteachable: Sequence[UnteachablePair] = ()
    lineage: Sequence[str] = ()


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
    return _TEXT.format(
        name=name,
        model_id=model_id,
        labels=len(vocabulary),
        groups="".join(map(_group, vocabulary.groups)),
        lineage="".join(f"\n- {line}" for line in facts.lineage),
        source=facts.source,
        train=facts.pictures.train,
        validation=facts.pictures.validation,
        test=facts.pictures.test,
        unreadable=facts.pictures.unreadable,
        recipe=facts.recipe,
        epochs=facts.epochs,
        best=facts.best_epoch,
        seed=facts.seed,
        command=facts.command,
        parameters=facts.parameters,
        verdict=verdict,
        macro_ap=number(evaluation.macro_ap),
        exact_match=number(evaluation.exact_match),
        binary_accuracy=number(evaluation.binary_accuracy),
        before=number(metrics.calibration.before),
        calibration_error=number(evaluation.calibration_error),
        group_rows=_group_rows(evaluation),
        pair_rows=_pair_rows(evaluation),
        label_rows=_label_rows(evaluation, thresholds),
        combinations=_combinations(evaluation, facts.unteachable),
        failures=_failures(evaluation),
    )


def _group(group: Group) -> str:
    kind = "exclusive" if group.exclusive else "any number"
    return f"; {group.name} ({kind}, judged by {group.evidence})"


def _group_rows(evaluation: Evaluation) -> str:
    return "\n".join(
        f"| {row.group}: answer right, none included | {number(row.right)} |\n"
        f"| {row.group}: likeliest label right | {number(row.top1)} |"
        for row in evaluation.groups
    )


def _label_rows(evaluation: Evaluation, thresholds: Sequence[Threshold]) -> str:
    lines = []
    for row, limit in zip(evaluation.labels, thresholds, strict=True):
        measures = map(number, (row.ap, row.precision, row.recall, row.f1))
        threshold = f"{row.threshold:.4f} ({limit.low:.2f} to {limit.high:.2f})"
        cells = (row.label, str(row.positives), threshold, *measures)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _pair_rows(evaluation: Evaluation) -> str:
    rows = []
    for key, share in (("seen", evaluation.seen), ("unseen", evaluation.unseen)):
        if share.pictures:
            value = (
                f"{share.share:.4f} ({share.low:.3f} to {share.high:.3f}, n = {share.pictures:,})"
            )
            rows.append(f"| both answers right, pairs {key} in training | {value} |")
    if evaluation.harmonic_mean is not None:
        rows.append(f"| harmonic mean of the two | {number(evaluation.harmonic_mean)} |")
    return "\n".join(rows)


def _combinations(evaluation: Evaluation, unteachable: Sequence[UnteachablePair]) -> str:
    # Pairs that no picture trained, but that were measured, come first: they are the ones to know.
    rows = sorted(
        evaluation.combinations, key=lambda row: (row.trained > 0, -row.trained, -row.pictures)
    )
    lines = ["| pair | training pictures | tested | both right |", "|---|---|---|---|"]
    lines += [
        f"| {' + '.join(row.pair)} | {row.trained:,} | {row.pictures:,} | {row.both_right:,} |"
        for row in rows[:_SHOWN]
    ]
    text = "\n".join(lines)
    if not rows:
        text = "No picture is known to have labels of two exclusive groups."
    if len(rows) > _SHOWN:
        text += f"\n\n{len(rows) - _SHOWN} more in metrics.json."
    if unteachable:
        named = "; ".join(f"{' + '.join(row.pair)} ({row.reason})" for row in unteachable[:_SHOWN])
        more = f"; and {len(unteachable) - _SHOWN} more" if len(unteachable) > _SHOWN else ""
        text += f"\n\nNot to be trusted on pairs that these pictures cannot teach: {named}{more}."
    return text


def _failures(evaluation: Evaluation) -> str:
    """Return the labels with the least F1, and the pairs least often right, as text."""
    measured = [(row.f1, row) for row in evaluation.labels if row.f1 is not None]
    measured.sort(key=lambda entry: entry[0])
    weak = [
        f"{row.label} (precision {number(row.precision)}, recall {number(row.recall)})"
        for f1, row in measured[:_WORST]
        if f1 < _WEAK
    ]
    tested = [row for row in evaluation.combinations if row.pictures >= _MIN_TESTED]
    tested.sort(key=lambda row: row.both_right / row.pictures)
    pairs = [
        f"{' + '.join(row.pair)} ({row.both_right:,} of {row.pictures:,} right)"
        for row in tested[:_WORST]
        if row.both_right < _WEAK * row.pictures
    ]
    lines = [f"Every measured label has an F1 of at least {_WEAK}."]
    if weak:
        lines = [f"Weakest labels: {'; '.join(weak)}."]
    if pairs:
        lines.append(f"Weakest pairs of {_MIN_TESTED} or more tested pictures: {'; '.join(pairs)}.")
    return "\n\n".join(lines)


def number(value: float | None) -> str:
    """Return a measure with four decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"
