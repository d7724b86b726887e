"""What commands print on standard output with --json, field by field."""

PREDICTION = {
    "image": "string, as given",
    "status": "ok, or why there are no scores",
    "error": "string or null",
    "scores": "object, group:name to calibrated score, four decimals; empty if not ok",
    "answers": "object, exclusive group to {label, score}; label null is none; empty if not ok",
    "tags": "list of strings, as in the index",
    "overlay": "string, the picture that --overlay wrote, or null",
}

EVALUATION = {
    "pictures": "integer, pictures measured",
    "macro_ap": "mean over labels of average precision; labels without a positive left out",
    "binary_accuracy": "share of known (picture, label) entries that the tags have right",
    "exact_match": "share of completely labelled pictures whose tags are all right",
    "exact_match_pictures": "integer, completely labelled pictures",
    "calibration_error": "mean over labels of the expected calibration error, 15 equal-width bins",
    "labels": "list, see EVALUATION_LABEL",
    "groups": "list, see EVALUATION_GROUP: exclusive groups",
    "combinations": (
        "list of {pair, pictures, both_right, trained}: how many training pictures had the pair"
    ),
    "seen": "object {pictures, share, low, high}: both answers right on pairs that training "
    "pictures had, 95 % "
    "interval; with more than two exclusive groups a picture counts once for each of its pairs",
    "unseen": "the same on pairs that no training picture had",
    "harmonic_mean": "of both shares; null without unseen pairs",
}

EVALUATION_GROUP = {
    "group": "name",
    "pictures": "pictures about which the group is known",
    "right": "share of them whose answer is right, none included",
    "labelled": "pictures that have a label of the group",
    "top1": "share of them whose likeliest label is the right one, thresholds aside",
}

EVALUATION_LABEL = {
    "label": "group:name",
    "column": "score column",
    "pictures": "pictures about which the label is known",
    "positives": "pictures that have it",
    "threshold": "the model's",
    "ap": "average precision; null without positives",
    "precision": "at the threshold; null if it never holds",
    "recall": "at the threshold; null without positives",
    "f1": "at the threshold; null without positives",
    "calibration_error": "expected calibration error, 15 equal-width bins",
}

EVALUATE = {
    "model": "string, the bundle's name",
    "model_id": "string",
    "dataset": "string, as given",
    "left_out": (
        "object: train, validation (pictures the model was fitted or validated on), unreadable, "
        "duplicate"
    ),
    "unknown_labels": (
        "object, label that the model does not have to number of pictures; their group is "
        "unknown there"
    ),
    "unanswered": (
        "object, such a label to the share of its measured pictures to which the group gives "
        "no answer"
    ),
    "audit": "object, see AUDIT, or null without --audit",
    "evaluation": "object, see EVALUATION",
}

AUDIT = {
    "csv": "string, path of the findings",
    "sheets": "list of strings, paths of the contact sheets",
    "doubts": "integer, (picture, group) entries whose label the model doubts",
    "contradictions": "integer, families of near-duplicates with different labels",
}

AUDIT_COLUMNS = {
    "finding": (
        "doubt, or contradiction: a member of a family of near-duplicates whose labels differ"
    ),
    "image": "path below the set's folder",
    "group": "of which the finding speaks",
    "given": "the label it has; none if the group has none",
    "suggested": "of a doubt: the label that the model thinks likeliest",
    "p_given": "of a doubt: the view's probability of the given label",
    "p_suggested": "of a doubt: that of the suggested one",
    "family": "of a contradiction: a number that its members share",
    "part": (
        "train, validation or test if the model's split has the picture: a model doubts less of "
        "what "
        "it was trained on"
    ),
}

TRAIN = {
    "bundle": "string, path of the saved bundle",
    "model_id": "string",
    "parameters": "integer, of the network",
    "pictures": "object: train, validation, test, unreadable",
    "best_epoch": "integer, from 1",
    "seconds": "number, from reading the set to the saved bundle",
    "verdict": "object, see VERDICT",
    "promoted": "true if `current` points to it now",
    "evaluation": "object, see EVALUATION, on the test part",
    "calibration": (
        "object {before, after}: calibration_error on the test part without and with calibration"
    ),
    "held_out": "list of strings, the pairs that --hold-out-pair kept from training",
    "unteachable": "list of {pair, reason}: pairs that the training pictures cannot teach",
}

VERDICT = {
    "passed": "false if no group is better than always giving its commonest answer, and of one "
    "or more that is sure: "
    "saved, not promoted, exit code 5",
    "sentence": "string, all below in one sentence",
    "pictures": (
        "integer, completely labelled pictures of the test part, those of --hold-out-pair left out"
    ),
    "all_right": "integer, those of them whose tags are all right",
    "groups": "list, see VERDICT_GROUP",
}

VERDICT_GROUP = {
    "group": "name",
    "pictures": "pictures about which the group is known",
    "right": (
        "those of them whose answer is right, none included; without an answer, whose tags of "
        "the group are"
    ),
    "low": "number, the lower 95 % bound of their share, or null",
    "commonest": "the commonest answer among them, or none",
    "commonest_right": "those of them on which that is right",
    "verdict": "better: the bound is over the commonest's share, or, of a group that is not "
    "exclusive, the tags have "
    "fewer errors than each label's commoner value on surely more pictures than they have more; "
    "too few: not even all "
    "right would have shown it; or no better",
}

RETRAIN = {
    "bundle": "string, path of the saved bundle",
    "model_id": "string",
    "parent": "string, name of the bundle it was retrained from",
    "added": "list of strings, labels that the parent does not have",
    "retired": "list of strings, labels that are no longer answered",
    "replayed": "true if the parent's training pictures, half of them at least, were in the data",
    "same_trunk": "true if its features are the parent's: with --freeze-trunk",
    "pictures": "object: train, validation, test, unreadable",
    "best_epoch": "integer, from 1",
    "seconds": "number, from reading the data to the saved bundle",
    "evaluation": "object, see EVALUATION, on the test part",
    "gate": "object, see gate.json",
    "promoted": "true if `current` points to it now",
}

PACK = {
    "bundle": "string, path of the packed bundle",
    "model_id": "string",
    "bytes": "integer, of all its files",
    "pictures": "integer, of the test part, that both were compared on",
    "tags_changed": "share of them on which any tag differs",
    "labels": "list of {label, positives, ap, ap_packed, largest_difference}: the last of a score",
}

PROMOTE = {
    "models": "string, the folder of the models",
    "current": "string, the model that is current now",
    "before": "string, the one that was, or null",
    "passed": "false if it did not pass its gate: `tagger tag` takes it with --force-model alone",
}

MODELS = {
    "models": "string, as given",
    "current": "string, name of the current model, or null",
    "versions": "list, see MODELS_VERSION, oldest first",
}

MODELS_VERSION = {
    "name": "string, the folder",
    "model_id": "string; this and all below are null where the model cannot be used",
    "created_at": "ISO 8601, UTC",
    "parent": (
        "string, name of the model it was retrained from, or its model_id if that is not here, "
        "or null"
    ),
    "trunk": "string, digest of all layers but the head",
    "labels": "integer",
    "macro_ap": "number, on its own test part",
    "exact_match": "number, on its own test part",
    "gate_passed": (
        "false if it is worse than its parent on old labels, or, without one, no better than "
        "guessing"
    ),
    "error": "string, why it cannot be used, or null",
}

CHECK = {
    "dataset": "string, as given",
    "pictures": "integer",
    "labels": "object, group:name to pictures",
    "pairs": "object, 'group:name + group:name' to pictures",
    "unlabelled": "pictures about which nothing is known",
    "unreadable": "list of {image, status, error}",
    "duplicates": "list of lists of images with the same bytes",
    "near_duplicates": "list of lists of images that look the same",
    "conflicts": "list of lists of images that look the same and have different labels",
}
