"""Which precision this machine may compute a model in: bfloat16, where a comparison on real
pictures allows it.

Bfloat16 moves logits a little, and where one lies near its threshold it may move the tag. So a
picture whose tags might be others is computed again in float32. How near is near, and whether that
suffices, a comparison says.

The comparison is made where pictures are at hand: by the training that saves the model, or else by
the first night on another machine, which scores its first pictures in both precisions and keeps
float32's scores. Its outcome lies in the user's cache folder, by model, processor and OpenVINO
release; who empties the cache has it made again.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from schemas.record import parse
from tagger.arrays import Float32Array
from tagger.cache import cache_folder
from tagger.evaluation.metrics import macro_average_precision
from tagger.files import atomic_text
from tagger.labels.views import sigmoid, tag_matrix, uncertain
from tagger.models.bundle import Bundle

PICTURES = 2048
"""How many are compared at least: on fewer, two in a thousand pass for one in a thousand too
often."""

MEAN_DIFFERENCE = 0.002
OTHER_TAGS = 0.001
MACRO_AP_LOST = 0.001
"""What bfloat16 may cost: mean difference of scores, share of pictures with other tags, macro
average precision."""

REPEATED = 0.3
"""The share of pictures from which on bfloat16 and float32 again take as long as float32 alone,
nearly."""

_QUANTILE = 0.999
"""Of how far bfloat16 moves logits. On 11,885 photographs of three sources, with the margins found
on any of them, and two models of 6 and of 48 labels, no tag was another; 1 to 13 % of the pictures
were computed again."""


class Comparison(msgspec.Struct, frozen=True):
    """What bfloat16 changes, with float32 where tags hang on it, against float32 alone on the same
    pictures.

    Attributes
    ----------
    pictures : int
    mean_difference : float
        Mean absolute difference of scores.
    other_tags : float
        Share of the pictures that have other tags.
    margin : float
        Pictures with a logit nearer to its threshold than this, or to a rival than twice this, are
        computed again.
    repeated : float
        Share of the pictures that are.
    macro_ap_lost : float or None
        Where the true labels are known.
    """

    pictures: int
    mean_difference: float
    other_tags: float
    margin: float
    repeated: float
    macro_ap_lost: float | None = None

    @property
    def passed(self) -> bool:
        """Return whether bfloat16 may be used."""
        return (
            self.pictures >= PICTURES
            and self.mean_difference <= MEAN_DIFFERENCE
            and self.other_tags <= OTHER_TAGS
            and self.repeated <= REPEATED
            and (self.macro_ap_lost or 0.0) <= MACRO_AP_LOST
        )

    def text(self) -> str:
        """Return the outcome in words."""
        verdict = "bfloat16 is used" if self.passed else "float32 is used"
        return (
            f"{verdict}: on {self.pictures:,} pictures bfloat16 changes scores by "
            f"{self.mean_difference:.5f} on "
            f"average and the tags of {self.other_tags:.2%}, with {self.repeated:.1%} computed "
            "again in float32"
        )

    @classmethod
    def of(
        cls,
        exact: Float32Array,
        fast: Float32Array,
        bundle: Bundle,
        targets: Float32Array | None = None,
    ) -> Self:
        """Return the comparison of two (n, n_labels) arrays of logits of the same pictures."""
        live = [not label.retired for label in bundle.vocabulary.labels]
        margin = float(np.quantile(np.abs(exact - fast)[:, live], _QUANTILE))
        again = uncertain(fast, bundle.thresholds, bundle.vocabulary, margin)
        used = np.where(again[:, None], exact, fast)
        tags = [
            tag_matrix(logits, bundle.thresholds, bundle.vocabulary) for logits in (exact, used)
        ]
        lost = None
        if targets is not None:
            before, after = (macro_average_precision(logits, targets) for logits in (exact, used))
            lost = None if before is None or after is None else before - after
        difference = float(np.abs(sigmoid(exact) - sigmoid(used)).mean())
        other = float((tags[0] != tags[1]).any(axis=1).mean())
        return cls(len(exact), difference, other, margin, float(again.mean()), lost)


def remembered(bundle: Bundle, machine: str) -> Comparison | None:
    """Return the comparison that was made for a model on a machine, if it is in the cache."""
    path = _place(bundle, machine)
    if path is None:
        return None
    try:
        return parse(path.read_bytes(), Comparison)
    except (OSError, ValueError, RecursionError):  # not there, or not ours: made again
        return None


def remember(bundle: Bundle, machine: str, comparison: Comparison) -> None:
    """Keep a comparison in the cache; where that cannot be written it is made again next time."""
    path = _place(bundle, machine)
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_text(
            path,
            json.dumps(
                msgspec.to_builtins(comparison) | {"machine": machine, "passed": comparison.passed}
            ),
        )


def _place(bundle: Bundle, machine: str) -> Path | None:
    folder = cache_folder()
    name = hashlib.sha256(f"{bundle.model_id} {machine}".encode()).hexdigest()[:32]
    return folder / "precision" / f"{name}.json" if folder is not None else None
