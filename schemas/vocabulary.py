"""vocabulary.json: the labels in column order, and the groups they belong to."""

FORMAT_VERSION = 1

EVIDENCE = ("pixels", "shape", "both")
"""What a group is judged by: pixel values, which survive a scrambled shape; shape, which survives
any recolouring."""

DEFAULT_EVIDENCE = {"color": "pixels", "colour": "pixels", "garment": "shape", "type": "shape"}
"""Evidence of well-known groups; all others are judged by both."""

UNGROUPED = "label"
"""The group of labels that were given none; not exclusive."""

VOCABULARY_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "groups": "list of objects, see below; a label's group is one of them",
    "labels": "list of objects, see below; in column order, append-only",
}

GROUP_FIELDS = {
    "name": "string, [a-z][a-z0-9_]*",
    "exclusive": (
        "true if a picture has at most one label of the group; exclusive groups get an answer "
        "column"
    ),
    "evidence": "pixels | shape | both: what training teaches the group to look at",
}

LABEL_FIELDS = {
    "group": "string, the group's name",
    "name": "string, unique in its group",
    "column": "string, the score column, fixed when the label is added",
    "since": "string, the bundle that first had the label",
    "retired": "true if the label is no longer answered; its column stays",
    "splits": "list of strings, older labels of the group that this one was split from: a "
    "picture that had one of them "
    "before this label was there may have it or not",
}

RESERVED_GROUP_NAMES = ("scores", "logits", "features")
"""Names of model outputs; the fixed column names of the index are reserved too."""
