"""The model card: what a stranger should know before using a bundle."""

from collections.abc import Mapping, Sequence
from typing import Any

from tagger.labels.vocabulary import Vocabulary

_SHOWN = 60
_WORST, _WEAK, _MIN_TESTED = (
    12,
    0.8,
    10,
)  # named as failing: so many at most, below this, measured on so many

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


def model_card(
    *,
    name: str,
    model_id: str,
    vocabulary: Vocabulary,
    source: str,
    facts: Mapping[str, Any],
    thresholds: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    verdict: str,
) -> str:
    """Return the text of a bundle's README.md.

    Parameters
    ----------
    facts : mapping
        train, validation, test, unreadable, recipe, epochs, best, seed, parameters, unteachable,
        command, lineage.
    thresholds : sequence of mapping
        As in thresholds.json.
    metrics : mapping
        The content of metrics.json.
    verdict : str
        How good it is, in one sentence.
    """
    evaluation = metrics["evaluation"]
    groups = "".join(
        f"; {group.name} ({'exclusive' if group.exclusive else 'any number'}, judged by "
        f"{group.evidence})"
        for group in vocabulary.groups
    )
    label_rows = "\n".join(
        f"| {row['label']} | {row['positives']} | {row['threshold']:.4f} ({limit['low']:.2f} to "
        f"{limit['high']:.2f}) | "
        + " | ".join(number(row[key]) for key in ("ap", "precision", "recall", "f1"))
        + " |"
        for row, limit in zip(evaluation["labels"], thresholds, strict=True)
    )
    group_rows = "\n".join(
        f"| {row['group']}: answer right, none included | {number(row['right'])} |\n"
        f"| {row['group']}: likeliest label right | {number(row['top1'])} |"
        for row in evaluation["groups"]
    )
    measures = ("macro_ap", "exact_match", "binary_accuracy", "calibration_error")
    return _TEXT.format(
        name=name,
        model_id=model_id,
        labels=len(vocabulary),
        groups=groups,
        source=source,
        group_rows=group_rows,
        label_rows=label_rows,
        pair_rows=_pair_rows(evaluation),
        failures=_failures(evaluation),
        combinations=_combinations(evaluation, facts["unteachable"]),
        verdict=verdict,
        before=number(metrics["calibration"]["before"]),
        **{key: value for key, value in facts.items() if key != "unteachable"},
        **{key: number(evaluation[key]) for key in measures},
    )


def _pair_rows(evaluation: Mapping[str, Any]) -> str:
    rows = []
    for key in ("seen", "unseen"):
        if (row := evaluation[key])["pictures"]:
            share = (
                f"{row['share']:.4f} ({row['low']:.3f} to {row['high']:.3f}, n = "
                f"{row['pictures']:,})"
            )
            rows.append(f"| both answers right, pairs {key} in training | {share} |")
    if evaluation["harmonic_mean"] is not None:
        rows.append(f"| harmonic mean of the two | {number(evaluation['harmonic_mean'])} |")
    return "\n".join(rows)


def _combinations(evaluation: Mapping[str, Any], unteachable: Sequence[Mapping[str, Any]]) -> str:
    # Pairs that no picture trained, but that were measured, come first: they are the ones to know
    # about.
    rows = sorted(
        evaluation["combinations"],
        key=lambda row: (row["trained"] > 0, -row["trained"], -row["pictures"]),
    )
    text = "| pair | training pictures | tested | both right |\n|---|---|---|---|\n" + "\n".join(
        f"| {' + '.join(row['pair'])} | {row['trained']:,} | {row['pictures']:,} | "
        f"{row['both_right']:,} |"
        for row in rows[:_SHOWN]
    )
    if not rows:
        text = "No picture is known to have labels of two exclusive groups."
    if len(rows) > _SHOWN:
        text += f"\n\n{len(rows) - _SHOWN} more in metrics.json."
    if unteachable:
        named = "; ".join(
            f"{' + '.join(row['pair'])} ({row['reason']})" for row in unteachable[:_SHOWN]
        )
        more = f"; and {len(unteachable) - _SHOWN} more" if len(unteachable) > _SHOWN else ""
        text += f"\n\nNot to be trusted on pairs that these pictures cannot teach: {named}{more}."
    return text


def _failures(evaluation: Mapping[str, Any]) -> str:
    """Return the labels with the least F1, and the pairs least often right, as text."""
    labels = sorted(
        (row for row in evaluation["labels"] if row["f1"] is not None), key=lambda row: row["f1"]
    )
    weak = [
        f"{row['label']} (precision {number(row['precision'])}, recall {number(row['recall'])})"
        for row in labels[:_WORST]
        if row["f1"] < _WEAK
    ]
    tested = [row for row in evaluation["combinations"] if row["pictures"] >= _MIN_TESTED]
    tested.sort(key=lambda row: row["both_right"] / row["pictures"])
    pairs = [
        f"{' + '.join(row['pair'])} ({row['both_right']:,} of {row['pictures']:,} right)"
        for row in tested[:_WORST]
        if row["both_right"] < _WEAK * row["pictures"]
    ]
    lines = (
        [f"Weakest labels: {'; '.join(weak)}."]
        if weak
        else [f"Every measured label has an F1 of at least {_WEAK}."]
    )
    if pairs:
        lines.append(f"Weakest pairs of {_MIN_TESTED} or more tested pictures: {'; '.join(pairs)}.")
    return "\n\n".join(lines)


def number(value: float | None) -> str:
    """Return a measure with four decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"
