"""Pairs of models whose every truth is known, so that verdicts and gates can be held against it.

A picture is as hard for one model as for the other, up to what is each model's own: as with real
trainings from two seeds, some 9 % of the pictures are right for one of the two alone.
"""

from typing import NamedTuple

import numpy as np

from schemas.bundle import ComparedPart
from tagger.arrays import Float32Array
from tagger.evaluation.gate import ENOUGH_POSITIVES, LABEL_FACTOR, compare
from tagger.evaluation.questions import Answers
from tagger.labels.vocabulary import Vocabulary, parse_groups

COLORS = {"black": 0.27, "blue": 0.24, "white": 0.19, "red": 0.15, "green": 0.09, "brown": 0.06}
TYPES = {"shoes": 0.3, "dress": 0.24, "pants": 0.24, "shirt": 0.14, "shorts": 0.08}
VOCABULARY = Vocabulary.build(
    parse_groups("color,type"),
    [*(("color", name) for name in COLORS), *(("type", name) for name in TYPES)],
)
FALLS = {
    "none": {},
    "macro AP, 3 points": {"noise": 1.38},
    "one label, 15 points": {"forgets": 2.3},
    "answers, 3 points, not AP": {"shifted": 0.85},
}
"""What B is worse in than A, and how."""


class Pair(NamedTuple):
    a: Answers
    b: Answers
    targets: Float32Array


def model_pair(
    seed: int, n: int, *, noise: float = 1.0, forgets: float = 0.0, shifted: float = 0.0
) -> Pair:
    """Return two models on n pictures: B's own noise is so many times A's; B takes one color for
    the commonest so much; its scores of the commonest labels are so much too low."""
    random = np.random.default_rng(seed)
    colors = random.choice(len(COLORS), n, p=list(COLORS.values()))
    types = len(COLORS) + random.choice(len(TYPES), n, p=list(TYPES.values()))
    targets = np.zeros((n, len(VOCABULARY)), np.float32)
    targets[np.arange(n), colors] = targets[np.arange(n), types] = 1
    hard = 5.2 * targets - 3.4 + random.normal(0, 1.5, targets.shape)
    a = hard + random.normal(0, 0.8, targets.shape)
    b = hard + random.normal(0, 0.8 * noise, targets.shape)
    b[:, 3] -= forgets * (1 + targets[:, 3]) * random.random(n) * (forgets > 0)
    b[:, [0, len(COLORS)]] -= shifted
    limits = np.full(len(VOCABULARY), 0.35)
    both = (Answers(z.astype(np.float32), limits, VOCABULARY) for z in (a, b))
    return Pair(*both, targets)


def compared(pair: Pair, *, tolerance: float = 0.5) -> ComparedPart:
    return compare("test part", pair.a, pair.b, pair.targets, tolerance=tolerance)


def fell_at_all(part: ComparedPart, tolerance: float = 0.5) -> bool:
    """Return whether AP fell by more than allowed, chance or not."""
    rows = [(part.macro_ap, tolerance)]
    rows += [
        (row, tolerance * LABEL_FACTOR) for row in part.labels if row.positives >= ENOUGH_POSITIVES
    ]
    return any(100 * ((row.parent or 0) - (row.now or 0)) > allowed for row, allowed in rows)
