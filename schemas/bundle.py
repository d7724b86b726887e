"""The bundle: what a model folder holds.

`bundle.json` lists every file with its digest. Readers check the digests of all files listed,
read those that they know, and never one that is not listed, so a later version may add files.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from schemas.evaluation import Evaluation
from schemas.record import FORMAT_VERSION, Record

HEAD = "logits"
"""The layer of model.keras that is the head; all others are the trunk."""

FILES = {
    "model.keras": (
        "the network; keras.models.load_model(..., safe_mode=True), no custom objects, no "
        "optimizer state"
    ),
    "openvino/model.xml": "the same network as OpenVINO IR",
    "openvino/model.bin": "its weights, float32",
    "openvino/int8.xml": (
        "optional: the same network for processors that are faster in 8 bits, calibrated on "
        "training pictures; what tags hang on, or scores, is computed again with the other"
    ),
    "openvino/int8.bin": "its weights, int8; those of a head of its own, float32",
    "head.npz": (
        "kernel, float32 (features, labels), and bias, float32 (labels): logits = features @ "
        "kernel + bias; where unlikeness goes by features too, those of training pictures: mean, "
        "float32 (features), and directions that they vary in, float32 (features, 128)"
    ),
    "vocabulary.json": "labels in column order, and groups",
    "preprocessing.json": "how a picture becomes the network's input",
    "thresholds.json": (
        "one threshold per label, in column order, its interval, and how it was chosen"
    ),
    "split.parquet": "content_sha256, cluster, part: train | validation | test, judged",
    "metrics.json": (
        "the evaluation on the test part, its calibration error without and with calibration, and "
        "how many training pictures had each pair of labels"
    ),
    "gate.json": (
        "how it compares with its parent on the old labels, or without one with guessing, and "
        "whether that is good enough to be promoted"
    ),
    "history.png": "loss and validation metrics per epoch",
    "reliability.png": "how often a score holds, before and after calibration, on the test part",
    "README.md": "the model card",
    "trainable.npz": (
        "of a packed bundle alone: LAYER/I, float32, weight I of each layer of the network that "
        "it was packed from, but dense/0, which openvino/model.bin has"
    ),
}
"""Every file of a bundle but bundle.json, which lists their digests; all must be there but the
optional ones."""

INT8 = ("openvino/int8.xml", "openvino/int8.bin")
"""What a bundle has whose training part was large enough to calibrate it."""

ONLY_WHOLE = ("model.keras",)
"""What a packed bundle does not have."""

ONLY_PACKED = ("trainable.npz",)
"""What only a packed bundle has; with it, it can be retrained."""

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Moment = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\Z")]
BundleName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z")]


class Description(Record):
    """What the folder holds, and where it comes from."""

    format_version: Literal[1]
    """Of every file of the bundle."""
    name: BundleName
    """The folder's name when it was saved: NAME-vK."""
    model_id: Sha256
    """sha256 of canonical JSON over the digests of model.keras's config.json and
    model.weights.h5, the vocabulary, the preprocessing and the thresholds (of a packed bundle, of
    the OpenVINO network's files in place of model.keras's). A change of the card changes no score
    and not this."""
    files: dict[str, Sha256]
    """Path to sha256 of each file; a path is relative and stays below the folder."""
    versions: dict[str, str]
    """Library to version."""
    parent: Sha256 | None
    """model_id of the bundle it was retrained from, or null."""
    trunk: Sha256
    """sha256 of the weights of all layers but the head: bundles with the same trunk have the same
    features."""
    created_at: Moment
    """ISO 8601, UTC."""


MIN_SIDE_FACTOR = 2
"""A reduced JPEG decode keeps the short side at least this many times the network's input size."""


class Preprocessing(Record, forbid_unknown_fields=True):
    """How a picture becomes the network's input.

    The one file whose unknown fields are refused: each of them says what a reader must do, so one
    that is passed over would give other scores without a word. A later version that adds a setting
    leaves its field out where pictures are read as before; what only informs goes elsewhere.
    """

    format_version: Literal[1] = FORMAT_VERSION
    """As in bundle.json."""
    size: Annotated[int, Meta(ge=8, le=1024)]
    """Side of the square input in pixels; the picture is squashed."""
    channels: Literal["RGB"]
    """In this order."""
    resize: Literal["area"]
    """Each pixel is the mean of the area that it covers."""
    background: Literal["white"]
    """Under transparent pixels."""
    orientation: Literal["exif"]
    """Applied, in every format; what XMP says of it is not looked at."""
    scale: float
    """1 / 255: input = uint8 * scale, so 0 to 1."""
    reduced_jpeg_decode: Annotated[int, Meta(ge=1, le=16)]
    """The smallest 1/2, 1/4, 1/8 scale whose short side is at least this times size."""
    color_profiles: Literal["sRGB"] | UnsetType = UNSET
    """sRGB: a picture with another embedded color profile is converted, relative colorimetric with
    black point compensation; colors given otherwise (cICP, gAMA, nclx) are not looked at. Left out:
    profiles are ignored."""
    progressive_jpeg: Literal["coarse"] | UnsetType = UNSET
    """coarse: at 1/4 and 1/8, fine detail of a progressive JPEG that is averaged away afterwards is
    not decoded. Left out: all of it is, but for last bits."""


class Threshold(Record):
    """One label's threshold, and how it was chosen."""

    label: str
    """group:name."""
    threshold: Annotated[float, Meta(gt=0, lt=1)]
    """Four decimals; the label holds at or over it."""
    low: float
    """5th percentile of the threshold over bootstrap samples of the validation part."""
    high: float
    """95th percentile."""
    positives: int
    """Validation pictures that have the label."""
    chosen: str
    """How, in words."""


_FARTHEST = 1e6
_NEAREST = 1e-6
"""Between these, unlikeness is a number whatever the logits are."""


class Outside(Record):
    """What the features of a picture add to its unlikeness. With d = features - mean, the share of
    their length outside of the directions is S = sqrt(1 - |d @ directions|^2 / |d|^2); mean and
    directions are in head.npz. With U of `Likeness` and sum = U + (S - ordinary) / (most -
    ordinary), unlikeness = (sum - middle) / (limit - middle)."""

    ordinary: float
    """Median of S over the validation part."""
    most: float
    """S that one in a hundred of them lies above; more than `ordinary`."""
    middle: float
    """Median of the sum."""
    limit: float
    """The sum that one in a hundred of them lies above; more than `middle`."""
    space: str = ""
    """sha256 of mean and directions, one after the other, as little-endian float32."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is a way from the one to the other, twice."""
        _check_way("ordinary", self.ordinary, "most", self.most)
        _check_way("middle", self.middle, "limit", self.limit)


class Likeness(Record):
    """What the unlikeness of a picture is measured by: how much is seen of anything known, L =
    ln(sum of ln(1 + exp(z))) over the logits z of the labels of groups judged by shape, or of all
    where none is; retired ones left out. U = (ordinary - L) / (ordinary - least); that is the
    unlikeness, unless `outside` is given."""

    ordinary: float
    """Median of L over the validation part."""
    least: float
    """L that one in a hundred of them lies below; less than `ordinary`."""
    pictures: Annotated[int, Meta(ge=1)]
    """Validation pictures."""
    outside: Outside | None = None
    """Null in bundles of earlier versions, of networks of 128 features or fewer, where fewer than
    512 pictures trained or 100 validated it, and where a parent's are gone."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is a way from the one to the other."""
        _check_way("least", self.least, "ordinary", self.ordinary)


def _check_way(lower: str, low: float, upper: str, high: float) -> None:
    bounded = abs(low) < _FARTHEST and abs(high) < _FARTHEST
    if not (bounded and high - low >= _NEAREST):
        raise ValueError(f"likeness: {lower} {low} must be less than {upper} {high}")


class Thresholds(Record):
    """When each label holds, and how that was chosen; and from where on a picture is unlike those
    that the model was trained on."""

    format_version: Literal[1] = FORMAT_VERSION
    """As in bundle.json."""
    labels: list[Threshold]
    """In column order."""
    likeness: Likeness | None = None
    """Null in bundles of earlier versions, and where the validation part has fewer than 5
    pictures: their rows have no unlikeness."""


class Change(Record):
    """A measure of both models."""

    parent: float | None
    """Of the parent; null where there is nothing to measure."""
    now: float | None
    """Of this model."""
    p: float | None = None
    """How often chance makes an equal model fall so far; null unless it lost more than allowed."""


class LabelChange(Record):
    """The average precision of an old label, of both models."""

    label: str
    """group:name."""
    positives: int
    """Pictures that have it; a label that was split counts with what was split from it."""
    parent: float
    """Of the parent."""
    now: float
    """Of this model."""
    p: float | None = None
    """How often chance makes an equal model fall so far; null unless it lost more than allowed."""


class GroupChange(Record):
    """How many answers of an exclusive group are right, of both models."""

    group: str
    """Its name."""
    pictures: int
    """Pictures whose answer is an old label or none."""
    parent: float | None
    """Share of them that the parent has right."""
    now: float | None
    """Share of them that this model has right."""
    p: float | None = None
    """How often chance makes an equal model fall so far or more: exact McNemar test, one-sided."""


class ComparedPart(Record):
    """Both models on the old labels, on the test pictures of one origin."""

    part: str
    """`parent's test part` or `new test part`."""
    pictures: int
    """Pictures compared on."""
    macro_ap: Change
    """Mean of the labels' average precision."""
    labels: list[LabelChange]
    """Old labels that some picture has."""
    groups: list[GroupChange]
    """Exclusive groups of the parent."""
    tags_changed: float
    """Share of the pictures on which any old label's tag differs."""


class Gate(Record):
    """Whether the model is good enough to be promoted."""

    format_version: Literal[1] = FORMAT_VERSION
    """As in bundle.json."""
    parent: str | None
    """Name of the bundle it was compared with, or null for one that has no parent."""
    passed: bool
    """True if nothing got worse than allowed and than chance explains, or, without a parent, unless
    it is no better than guessing."""
    tolerance: float | None = None
    """How many points macro AP, or the right answers of a group, may lose; the AP of any one label
    may lose four times as much."""
    worse: list[str]
    """What got worse than that; without a parent, the verdict in one sentence."""
    within_chance: list[str] = field(default_factory=list)
    """What fell by more than allowed, and by no more than an equal model may by chance: it refuses
    nothing."""
    unmeasured: list[str] = field(default_factory=list)
    """Labels of the starter that no test picture has: nobody can give its pictures, so nothing is
    known of them, and they refuse nothing. Of any other parent they are in `worse`."""
    parts: list[ComparedPart] = field(default_factory=list)
    """Empty without a parent."""


class CalibrationChange(Record):
    """What calibration did on the test part."""

    before: float | None
    """calibration_error without it."""
    after: float | None
    """calibration_error with it."""


class Metrics(Record):
    """How good the model is on the test part."""

    format_version: Literal[1] = FORMAT_VERSION
    """As in bundle.json."""
    evaluation: Evaluation
    """See what `tagger evaluate` prints."""
    calibration: CalibrationChange
    """The calibration error without and with calibration."""
    pairs_in_training: list[tuple[str, str, int]]
    """group:name, group:name, and the training pictures that had both."""
