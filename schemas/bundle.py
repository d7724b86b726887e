"""The bundle: what a model folder holds."""

FORMAT_VERSION = 3
"""3 came with features, head.npz and gate.json."""

HEAD = "logits"
"""The layer of model.keras that is the head; all others are the trunk."""

FILES = {
    "model.keras": (
        "the network; keras.models.load_model(..., safe_mode=True), no custom objects, no "
        "optimizer state"
    ),
    "openvino/model.xml": "the same network as OpenVINO IR",
    "openvino/model.bin": "its weights, float32",
    "head.npz": (
        "kernel, float32 (features, labels), and bias, float32 (labels): logits = features @ "
        "kernel + bias"
    ),
    "vocabulary.json": "labels in column order, and groups",
    "preprocessing.json": "how a picture becomes the network's input",
    "thresholds.json": (
        "one threshold per label, in column order, its interval, and how it was chosen"
    ),
    "split.parquet": "content_sha256, cluster, part: train | validation | test, judged",
    "metrics.json": "the evaluation on the test part, its calibration error without and with "
    "calibration, and how many "
    "training pictures had each pair of labels",
    "gate.json": "how it compares with its parent on the old labels, or without one with "
    "guessing, and whether that is "
    "good enough to be promoted",
    "history.png": "loss and validation metrics per epoch",
    "reliability.png": "how often a score holds, before and after calibration, on the test part",
    "README.md": "the model card",
}
"""Every file of a bundle but bundle.json, which lists their digests."""

ONLY_FOR_TRAINING = ("model.keras",)
"""What a packed bundle, which is for tagging alone, does not have."""

BUNDLE_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "name": "string, the folder's name when it was saved: NAME-vK",
    "model_id": "sha256 of canonical JSON over the digests of model.keras's config.json and "
    "model.weights.h5, the "
    "vocabulary, the preprocessing and the thresholds (of a packed bundle, of the OpenVINO "
    "network's files in place of "
    "model.keras's); a change of the card changes no score and not this",
    "files": "object, path to sha256 of each file",
    "versions": "object, library to version",
    "parent": "model_id of the bundle it was retrained from, or null",
    "trunk": (
        "sha256 of the weights of all layers but the head: bundles with the same trunk have "
        "the same features"
    ),
    "created_at": "ISO 8601, UTC",
}

THRESHOLD_FIELDS = {
    "label": "group:name",
    "threshold": "number, four decimals; the label holds at or over it",
    "low": "number, 5th percentile of the threshold over bootstrap samples of the validation part",
    "high": "number, 95th percentile",
    "positives": "integer, validation pictures that have the label",
    "chosen": "how, in words",
}

GATE_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "parent": "string, name of the bundle it was compared with, or null for one that has no parent",
    "passed": (
        "true if nothing got worse than allowed, or, without a parent, unless it is no better "
        "than guessing"
    ),
    "tolerance": (
        "number, how many points of macro AP may be lost; any one label may lose four times as much"
    ),
    "worse": (
        "list of strings, what got worse than allowed; without a parent, the verdict in one "
        "sentence"
    ),
    "parts": "list of {part, pictures, macro_ap, labels, groups, tags_changed}: part is "
    "`parent's test part` or `new "
    "test part`; macro_ap {parent, now} over old labels; labels a list of {label, positives, "
    "parent, now}; groups a "
    "list of {group, pictures, parent, now}, share of answers right among pictures whose answer is "
    "an old label or "
    "none; tags_changed the share of pictures on which any old label's tag differs",
}

METRICS_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "evaluation": "on the test part, see what `tagger evaluate` prints",
    "calibration": "object {before, after}: its calibration_error without and with calibration",
    "pairs_in_training": "list of [group:name, group:name, training pictures that had both]",
}

MIN_SIDE_FACTOR = 2
"""A reduced JPEG decode keeps the short side at least this many times the network's input size."""

PREPROCESSING_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "size": "integer, side of the square input in pixels; the picture is squashed",
    "channels": "RGB",
    "resize": "area",
    "background": "white, under transparent pixels",
    "orientation": "exif: applied, in every format; what XMP says of it is not looked at",
    "scale": "number; input = uint8 * scale, so 0 to 1",
    "color_profiles": "sRGB: a picture with another embedded color profile is converted, "
    "relative colorimetric "
    "with black point compensation; colors given otherwise (cICP, gAMA, nclx) are not looked at. "
    "Not there in older "
    "bundles, for which profiles are ignored",
    "reduced_jpeg_decode": (
        "integer; the smallest 1/2, 1/4, 1/8 scale whose short side is at least this times size"
    ),
}
