"""The model card: what a stranger should know before using a bundle."""

from collections.abc import Mapping
from typing import Any

from tagger.vocabulary import Vocabulary

_TEXT = """# {name}

A multi-label tagger for product photographs: SmallerVGGNet, one sigmoid head, {labels} labels{groups}.

- `model_id`: `{model_id}`
- trained on: {source}
- pictures: {train} to train, {tune} to tune (best epoch, calibration, thresholds), {test} to test; near-duplicates
  never straddle parts; {unreadable} could not be read
- epochs: {epochs}, epoch {best} kept; seed {seed}
- parameters: {parameters:,}

## Measured on the test part, which nothing saw

| measure | value |
|---|---|
| macro average precision | {macro_ap} |
| exact match (all tags right) | {exact_match} |
| binary accuracy | {binary_accuracy} |
| calibration error | {calibration_error} |
{group_rows}

| label | positives | threshold | AP | precision | recall | F1 |
|---|---|---|---|---|---|---|
{label_rows}

Combinations of labels that no training picture had are not measured here; `tagger evaluate` marks them as unseen.

## What it is not for

Scores are calibrated for pictures like those it was trained on. Other cameras, croppings and compressions shift them;
measure on your own labelled pictures (`tagger evaluate`) before you rely on a threshold. It says nothing about people.
"""


def model_card(
    *,
    name: str,
    model_id: str,
    vocabulary: Vocabulary,
    source: str,
    facts: Mapping[str, Any],
    evaluation: Mapping[str, Any],
) -> str:
    """Return the text of a bundle's README.md.

    Parameters
    ----------
    facts : mapping
        train, tune, test, unreadable, epochs, best, seed, parameters.
    evaluation : mapping
        As declared in `schemas.reports.EVALUATION`.
    """
    groups = "".join(
        f"; {group.name} ({'exclusive' if group.exclusive else 'any number'}, judged by {group.evidence})"
        for group in vocabulary.groups
    )
    label_rows = "\n".join(
        f"| {row['label']} | {row['positives']} | {row['threshold']:.4f} | "
        + " | ".join(number(row[key]) for key in ("ap", "precision", "recall", "f1"))
        + " |"
        for row in evaluation["labels"]
    )
    group_rows = "\n".join(f"| {row['group']}, answer right | {number(row['top1'])} |" for row in evaluation["groups"])
    measures = ("macro_ap", "exact_match", "binary_accuracy", "calibration_error")
    return _TEXT.format(
        name=name,
        model_id=model_id,
        labels=len(vocabulary),
        groups=groups,
        source=source,
        group_rows=group_rows,
        label_rows=label_rows,
        **facts,
        **{key: number(evaluation[key]) for key in measures},
    )


def number(value: float | None) -> str:
    """Return a measure with four decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"
