"""Which precision this machine computes a model in: the cheapest that a comparison on real pictures
allows.

Bfloat16 and int8 move logits a little, and where one lies near its threshold they may move the tag.
So a picture whose tags might be others is computed again in float32, and so is one whose scores lie
where they are steep: of pictures unlike those of a comparison there are many, and their logits move
further. How near is near, whether that suffices, and what a picture then costs, a comparison says.

The comparison is made where pictures are at hand: by the training that saves the model, or else by
the first night on another machine, which scores its first pictures in every precision and keeps
float32's scores. Its outcome lies in the user's cache folder, by model, processor and OpenVINO
release; who empties the cache has it made again.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

import msgspec
import numpy as np

from schemas.record import parse
from tagger.arrays import BoolArray, Float32Array
from tagger.cache import cache_folder
from tagger.evaluation.metrics import macro_average_precision
from tagger.files import atomic_text
from tagger.labels.views import expected_move, sigmoid, tag_matrix, uncertain
from tagger.models.bundle import Bundle

Precision = Literal["float32", "bfloat16", "int8"]

PICTURES = 2048
"""How many are compared at least: on fewer, two in a thousand pass for one in a thousand too
often. Nor does a night give a precision up before it has seen so many."""

MEAN_DIFFERENCE = 0.002
OTHER_TAGS = 0.001
MACRO_AP_LOST = 0.001
"""What a precision may cost: mean difference of scores, share of pictures with other tags, macro
average precision."""

STEEP = 0.0035
"""A picture whose scores are expected to move further than this, on average over its labels, is
computed again. What that gave is on the benchmarks' page."""

WORTH = 0.9
"""Of what float32 takes for a picture: a precision that takes more is not used."""

AGAIN = 1.3
"""What float32 takes for a picture that is computed again, of what it takes in whole batches."""

_QUANTILE = 0.9999
_FURTHER = 1.25
"""The margin is so many times this quantile of how far a precision moves logits: pictures of other
kinds than were compared move them further. What that gave is on the benchmarks' page."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a precision changes, with float32 where tags hang on it, against float32 alone on the
    same pictures.

    Attributes
    ----------
    precision : str
    pictures : int
    mean_difference : float
        Mean absolute difference of scores.
    other_tags : float
        Share of the pictures that have other tags.
    margin : float
        Pictures with a logit nearer to its threshold than this, or to a rival than twice this, are
        computed again.
    shift : float
        How far logits move on average: pictures whose scores would move by more than `STEEP` then
        are computed again, too.
    repeated : float
        Share of the pictures that are.
    time : float
        What the network takes for a picture, those computed again included, of float32's time.
    macro_ap_lost : float or None
        Where the true labels are known.
    """

    precision: Precision
    pictures: int
    mean_difference: float
    other_tags: float
    margin: float
    shift: float
    repeated: float
    time: float
    macro_ap_lost: float | None = None

    @property
    def passed(self) -> bool:
        """Return whether it may be used, and is worth it."""
        return (
            self.pictures >= PICTURES
            and self.mean_difference <= MEAN_DIFFERENCE
            and self.other_tags <= OTHER_TAGS
            and self.time <= WORTH
            and (self.macro_ap_lost or 0.0) <= MACRO_AP_LOST
        )

    def again(self, logits: Float32Array, bundle: Bundle) -> BoolArray:
        """Return bool (n,): which pictures are computed again, by what the precision makes of them,
        (n, n_labels)."""
        return _doubtful(logits, bundle, self.margin, self.shift)

    def time_where(self, repeated: float) -> float:
        """Return what the network takes for a picture, of float32's time, where this share is
        computed again."""
        return self.time + AGAIN * (repeated - self.repeated)

    def text(self) -> str:
        """Return the outcome in words."""
        return (
            f"{self.precision} changes scores by {self.mean_difference:.5f} on average and the "
            f"tags of {self.other_tags:.2%}, with {self.repeated:.1%} computed again in float32, "
            f"in {self.time:.0%} of its time"
        )

    @classmethod
    def of(
        cls,
        precision: Precision,
        exact: Float32Array,
        fast: Float32Array,
        bundle: Bundle,
        *,
        time: float,
        targets: Float32Array | None = None,
    ) -> Self:
        """Return the comparison of two (n, n_labels) arrays of logits of the same pictures.

        Parameters
        ----------
        time : float
            What `fast` took, of what `exact` took.
        """
        live = [not label.retired for label in bundle.vocabulary.labels]
        off = np.abs(exact - fast)[:, live]
        margin = _FURTHER * float(np.quantile(off, _QUANTILE))
        shift = float(off.mean())
        again = _doubtful(fast, bundle, margin, shift)
        used = np.where(again[:, None], exact, fast)
        tags = [
            tag_matrix(logits, bundle.thresholds, bundle.vocabulary) for logits in (exact, used)
        ]
        lost = None
        if targets is not None:
            before, after = (macro_average_precision(logits, targets) for logits in (exact, used))
            lost = None if before is None or after is None else before - after
        repeated = float(again.mean())
        return cls(
            precision=precision,
            pictures=len(exact),
            mean_difference=float(np.abs(sigmoid(exact) - sigmoid(used)).mean()),
            other_tags=float((tags[0] != tags[1]).any(axis=1).mean()),
            margin=margin,
            shift=shift,
            repeated=repeated,
            time=time + AGAIN * repeated,
            macro_ap_lost=lost,
        )


def _doubtful(logits: Float32Array, bundle: Bundle, margin: float, shift: float) -> BoolArray:
    tags = uncertain(logits, bundle.thresholds, bundle.vocabulary, margin)
    steady = expected_move(logits, bundle.vocabulary, shift) <= STEEP
    return tags | ~steady  # and not `> STEEP`, which no number would not be either


class Compared(msgspec.Struct, frozen=True):
    """The comparisons of every precision that a machine has for a model."""

    comparisons: list[Comparison]

    @property
    def chosen(self) -> Comparison | None:
        """Return that of the precision which is used; None is float32."""
        passed = [one for one in self.comparisons if one.passed]
        return min(passed, key=lambda one: one.time) if passed else None

    def text(self) -> str:
        """Return the outcome in words."""
        used = self.chosen.precision if self.chosen else "float32"
        pictures = self.comparisons[0].pictures
        said = "; ".join(one.text() for one in self.comparisons)
        return f"{used} is used: on {pictures:,} pictures {said}"


def precisions_to_compare(bundle: Bundle, capabilities: Sequence[str]) -> list[Precision]:
    """Return the precisions beside float32 that a model has and a processor may be faster in.

    Parameters
    ----------
    capabilities : sequence of str
        What OpenVINO says of the processor.
    """
    found: list[Precision] = []
    if "BF16" in capabilities:
        found.append("bfloat16")
    if "INT8" in capabilities and bundle.int8 is not None:
        found.append("int8")
    return found


def remembered(bundle: Bundle, machine: str) -> Compared | None:
    """Return what was compared for a model on a machine, if it is in the cache."""
    path = _place(bundle, machine)
    if path is None:
        return None
    try:
        compared = parse(path.read_bytes(), Compared)
    except (OSError, ValueError, RecursionError):  # not there, or not ours: made again
        return None
    return compared if compared.comparisons else None


def remember(bundle: Bundle, machine: str, compared: Compared) -> None:
    """Keep comparisons in the cache; where that cannot be written they are made again next time."""
    path = _place(bundle, machine)
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {"machine": machine, "text": compared.text()}
        atomic_text(path, json.dumps(msgspec.to_builtins(compared) | said))


def _place(bundle: Bundle, machine: str) -> Path | None:
    """Return where comparisons lie: by model, its network in int8, machine, and what decides which
    pictures are computed again."""
    folder = cache_folder()
    asked = f"{bundle.model_id} {bundle.int8} {machine} {_QUANTILE} {_FURTHER} {STEEP}"
    name = hashlib.sha256(asked.encode()).hexdigest()[:32]
    return folder / "precisions" / f"{name}.json" if folder is not None else None
