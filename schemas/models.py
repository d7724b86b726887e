"""What commands about models report: predict, pack, promote, models."""

from schemas.record import Record


class Answer(Record):
    """What one exclusive group answers."""

    label: str | None
    """Its name; null is none."""
    score: float | None
    """Its probability in the group, four decimals; null for none."""


class Prediction(Record):
    """One picture."""

    image: str
    """As given."""
    status: str
    """ok, or why there are no scores."""
    error: str | None
    """What was wrong with it."""
    scores: dict[str, float]
    """group:name to calibrated score, four decimals; empty if not ok."""
    answers: dict[str, Answer]
    """Exclusive group to its answer; empty if not ok."""
    tags: list[str]
    """As in the index."""
    overlay: str | None
    """The picture that --overlay wrote."""


class PredictReport(Record):
    """What `tagger predict` prints."""

    predictions: list[Prediction]
    """In the order given."""


class PackedLabel(Record):
    """What packing changed of one label."""

    label: str
    """group:name."""
    positives: int
    """Pictures that have it."""
    ap: float | None
    """Average precision of the model that was packed; null without positives."""
    ap_packed: float | None
    """That of the packed one."""
    largest_difference: float
    """Of a score."""


class PackReport(Record):
    """What `tagger pack` prints."""

    bundle: str
    """Path of the packed bundle."""
    model_id: str
    """Its own."""
    bytes: int
    """Of all its files."""
    pictures: int
    """Pictures of the test part that both were compared on."""
    tags_changed: float
    """Share of them on which any tag differs."""
    labels: list[PackedLabel]
    """In column order."""


class PromoteReport(Record):
    """What `tagger promote` prints."""

    models: str
    """The folder of the models."""
    current: str
    """The model that is current now."""
    before: str | None
    """The one that was."""
    passed: bool
    """False if it did not pass its gate: `tagger tag` takes it with --force-model alone."""


class ModelVersion(Record):
    """One model of the folder; all but name and error are null where it cannot be used."""

    name: str
    """The folder."""
    model_id: str | None = None
    """Digest of what decides its scores."""
    created_at: str | None = None
    """ISO 8601, UTC."""
    parent: str | None = None
    """Name of the model it was retrained from, or its model_id if that is not here."""
    trunk: str | None = None
    """Digest of all layers but the head."""
    labels: int | None = None
    """How many."""
    macro_ap: float | None = None
    """On its own test part."""
    exact_match: float | None = None
    """On its own test part."""
    gate_passed: bool | None = None
    """False if it is worse than its parent on old labels, or, without one, no better than
    guessing."""
    error: str | None = None
    """Why it cannot be used."""


class ModelsReport(Record):
    """What `tagger models` prints."""

    models: str
    """As given."""
    current: str | None
    """Name of the current model."""
    versions: list[ModelVersion]
    """Oldest first."""
