"""What commands print on standard output with --json, field by field."""

TAG = {
    "run_id": "string, or null with --dry-run",
    "snapshot": "string, what `current` names at the end, or null",
    "found": "pictures found in the catalog and not gone before they were read",
    "new": "found, and no row before",
    "changed": "found, with another size or modification time than its row",
    "rescored": "found, the same file, tried again with another result: another model, --full, --retry-errors",
    "unchanged": "found, its row carried over",
    "deleted": "rows before whose picture was not found",
    "touched": "changed, but with equal bytes",
    "scored": "distinct contents that went through the network in this run",
    "reused": "rows taken from staging, where an interrupted run left them",
    "failed": "rows that are not ok",
    "failed_now": "failures among the pictures tried in this run",
    "plan": "object, what was to be done, before anything was read; empty if the walk did not end",
    "skipped": "object, reason to number of things that are no picture",
    "published_rows": "rows of the published snapshot; equals found, or 0 if nothing was published",
    "seconds": "number, the whole run",
    "images_per_second": "number, pictures read per second of waiting for workers and inferring",
    "exit_code": "integer",
}

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
    "groups": "list of {group, pictures, top1}: share of right answers, none included, of exclusive groups",
    "combinations": "list of {pair, pictures, both_right, seen}: seen is whether a training picture had the pair",
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
    "left_out": "object: train, tune (pictures the model was fitted or tuned on), unreadable, duplicate",
    "unknown_labels": "object, label that the model does not have to number of pictures; their group is unknown there",
    "evaluation": "object, see EVALUATION",
}

TRAIN = {
    "bundle": "string, path of the saved bundle",
    "model_id": "string",
    "parameters": "integer, of the network",
    "pictures": "object: train, tune, test, unreadable",
    "best_epoch": "integer, from 1",
    "seconds": "number, from reading the set to the saved bundle",
    "evaluation": "object, see EVALUATION, on the test part",
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

RUNS = {
    "index": "string, as given",
    "current": "string, the snapshot that readers see, or null",
    "snapshots": "list of strings, those that are kept, oldest first",
    "runs": "list of run records, newest first, see runs/*.json",
}

ROLLBACK = {
    "index": "string, as given",
    "snapshot": "string, what is current now",
    "before": "string, what was current, or null if it could not be read",
    "rows": "integer",
    "run_id": "string, of the record that was written",
}

VERIFY = {
    "index": "string, as given",
    "snapshot": "string, what was checked",
    "rows": "integer",
    "parts": "integer",
    "faults": "list of strings, empty if all is well",
}
