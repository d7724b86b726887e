"""What commands about models report: predict, pack, promote, models."""

from typing import Literal

from msgspec import field

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


class ModelUse(Record):
    """Where an index that was looked at names a model."""

    index: str
    """As given."""
    readers_see_it: bool
    """Whether rows of the current night may name it."""
    snapshots: int
    """How many kept nights may have rows that name it."""
    staged: bool
    """Whether an interrupted night left rows that it scored, for the next to use."""
    features: bool
    """Whether look-alikes are compared by it: its features were the last to be kept or used."""
    last_run: bool = False
    """Whether the last run worked with it, or one that has not said how it ended."""


class ModelVersion(Record):
    """One model of the folder; what describes it is null where it cannot be used."""

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
    bytes: int | None = None
    """Of all files in the folder."""
    children: list[str] = field(default_factory=list)
    """Names of the models here that were retrained or packed from it."""
    uses: list[ModelUse] = field(default_factory=list)
    """The indexes of --index that name it."""
    kept_for: list[str] = field(default_factory=list)
    """Why --prune leaves it, in words; empty if nothing needs it."""


LeftoverKind = Literal["training", "saving", "packing", "removing"]
"""What was under way when a process ended without clearing up."""


class Leftover(Record):
    """What an interrupted training, a killed save or a killed prune left in the folder."""

    name: str
    """Path below the folder of models."""
    kind: LeftoverKind
    """A training; the saving of a model, or its packing; the removal of something."""
    bytes: int
    """Of all files in it."""
    changed_at: str
    """When something in it last changed: ISO 8601, UTC."""
    epochs: int | None
    """Of a training: those that were finished, which --resume goes on from; null if there is
    nothing to go on from."""
    kept_for: list[str]
    """Why --prune leaves it, in words; empty if nothing needs it."""


class ModelsReport(Record):
    """What `tagger models` prints."""

    models: str
    """As given."""
    current: str | None
    """Name of the current model."""
    versions: list[ModelVersion]
    """Oldest first."""
    leftovers: list[Leftover] = field(default_factory=list)
    """What killed processes left, by name."""
    indexes: list[str] = field(default_factory=list)
    """The indexes that were looked at, as given."""


class Pruned(Record):
    """Something that nothing needs."""

    name: str
    """Path below the folder of models."""
    bytes: int
    """Of all files in it."""
    error: str | None = None
    """Why it, or some of it, is still there though it was to be removed."""


class PruneReport(Record):
    """What `tagger models` prints with --prune."""

    models: str
    """As given."""
    removed: bool
    """False without --yes: nothing was touched."""
    indexes: list[str]
    """The indexes that were looked at; without any, no version is removed."""
    pruned: list[Pruned]
    """What nothing needs, by name."""
    kept: dict[str, list[str]]
    """Name of everything else to why it stays, in words."""
    unseen: list[str] = field(default_factory=list)
    """What should be looked at before anything goes, in words: an index that names none of these
    models, a model of which nobody knows what it was made from."""
