"""What commands print on standard output with --json, field by field."""

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
