"""Training a vocabulary of its own: the data say what there is to learn, a trunk may be given."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

from schemas.bundle import Gate
from schemas.training import UnteachablePair
from tagger.arrays import Float32Array, StrArray
from tagger.datasets.labelled_set import LabelKeys, LabelledSet
from tagger.datasets.prepared_set import PreparedSet
from tagger.datasets.problem_budget import settle_problems
from tagger.datasets.split_rows import seen_alone
from tagger.datasets.unknown_labels import with_unknown_labels
from tagger.errors import DatasetError, InputError
from tagger.imaging.preprocessing import Reading
from tagger.labels.growing import columns_of_same_names, split_key
from tagger.labels.pairs import parse_pair, unteachable
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.models.bundle import Bundle
from tagger.pipeline.corrected_set import unknown_where_not_taught
from tagger.pipeline.evidence import judged_by_pictures, judged_by_words
from tagger.pipeline.labelled_sets import read_labelled
from tagger.pipeline.measuring import Measured, Remembered
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.parent_network import parent_network
from tagger.pipeline.split_set import SplitSet
from tagger.pipeline.starting_point import NetworkStart
from tagger.progress import say
from tagger.settings import setting
from tagger.training.architecture import Architecture
from tagger.training.recipe import Recipe, RecipeName

_SHOWN_PAIRS = 10


@dataclass(frozen=True, kw_only=True)
class FromNothing:
    """A training that starts from nothing.

    Attributes
    ----------
    groups : tuple of Group, optional
        What folder names' tokens are, or a table's columns.
    vocabulary : Vocabulary, optional
        Labels and groups, instead of those of the data.
    min_pictures : int
        Labels of fewer pictures are left out of a vocabulary that is made from the data.
    recipe_name : str
    hold_out_pairs : tuple of str
        Pairs of labels that training is kept from.
    architecture : Architecture
        Of a network that starts from nothing.
    trunk : Bundle, optional
        The model whose trunk is taken, and the rows of its head for labels of the same names.
    """

    groups: tuple[Group, ...] | None = None
    vocabulary: Vocabulary | None = None
    min_pictures: int = 1
    recipe_name: RecipeName = "evidence"
    hold_out_pairs: tuple[str, ...] = ()
    architecture: Architecture = field(default_factory=Architecture)
    trunk: Bundle | None = None

    @property
    def parent(self) -> None:
        """Return None."""
        return

    def sets(self, options: TrainingOptions) -> LabelledSet:
        """Return the labelled sets as one."""
        labelled = read_labelled(
            options.datasets,
            options.names,
            options.exclude,
            columns=options.columns,
            image_root=options.image_root,
            corrections=options.corrections,
            groups=self.groups,
            vocabulary=self.vocabulary,
            skip_problems=options.skip_problems,
        )
        if self.vocabulary is None:
            return labelled
        labelled = unknown_where_not_taught(labelled, self.vocabulary, new_ones=False)
        strange = labelled.strangers(self.vocabulary)
        if strange and options.skip_problems is None:
            raise DatasetError(
                f"{labelled.source}: labels that the vocabulary does not have: {sorted(strange)}; "
                "add them"
            )
        labelled = with_unknown_labels(labelled, {split_key(key) for key in strange})
        return settle_problems(labelled, budget=options.skip_problems)

    def taught(self, labelled: LabelledSet, options: TrainingOptions) -> Vocabulary:
        """Return the vocabulary, given or that of the sets."""
        self._say_trunk()
        vocabulary = self.vocabulary or labelled.vocabulary(min_pictures=self.min_pictures)
        if self.vocabulary is None:
            self._say_strangers(labelled, vocabulary)
            self._settle_empty_groups(labelled, vocabulary, options)
        self._held_out(labelled, vocabulary)
        return judged_by_words(labelled, vocabulary)

    def decides(self) -> dict[str, object]:
        """Return the recipe, the pairs held out and the sizes of the network."""
        return {
            "recipe": self.recipe_name,
            "hold_out_pairs": self.hold_out_pairs,
            "architecture": asdict(self.architecture),
            "trunk": self.trunk.model_id if self.trunk is not None else None,
        }

    def reading(self) -> Reading:
        """Return how this program reads pictures."""
        return Reading(self.trunk.size if self.trunk is not None else self.architecture.size)

    def seen(self) -> pa.Table | None:
        """Return what the trunk has seen."""
        return self.trunk.split() if self.trunk is not None else None

    def judged(self, prepared: PreparedSet, vocabulary: Vocabulary) -> Vocabulary:
        """Return the vocabulary, groups of which nothing is said judged by what pictures say."""
        return judged_by_pictures(prepared, vocabulary)

    def parts(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> StrArray:
        """Return three parts; pairs that are held out are in the test part alone.

        Pictures that the trunk has seen keep their parts: none of them is measured on.
        """
        if self.trunk is not None:
            seen = self.trunk.split()
            _say_seen(prepared, seen, self.trunk.name)
            return prepared.continued_split(seen, seed=seed)
        return prepared.split(seed=seed, held_out=self._held_out(prepared.labelled, vocabulary))

    def split(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> SplitSet:
        """Return the set in three parts, with its targets."""
        parts = self.parts(prepared, vocabulary, seed=seed)
        targets = prepared.labelled.targets(vocabulary)
        seen = seen_alone(self.trunk.split()) if self.trunk is not None else None
        return SplitSet(
            prepared=prepared,
            parts=parts,
            targets=targets,
            vocabulary=vocabulary,
            table=prepared.split_table(parts, judged=len(vocabulary), parent=seen),
            held_out=self._held_out(prepared.labelled, vocabulary),
            unteachable=self._unteachable(targets[prepared.rows[parts == "train"]], vocabulary),
        )

    def recipe(self, pictures: int) -> Recipe:
        """Return the recipe that was asked for; a trunk is trained on with, at a smaller rate."""
        if self.recipe_name == "plain":
            return Recipe.plain()
        recipe = Recipe.evidence(pictures) if self.trunk is None else Recipe.begun(pictures)
        return recipe.for_others() if self.recipe_name == "trunk" else recipe

    def network(self, split: SplitSet) -> NetworkStart:
        """Return the sizes, and the trunk with the rows of labels that it knows."""
        if self.trunk is None:
            return NetworkStart(self.architecture)
        from tagger.training.fine_tuning import Inheritance
        from tagger.training.network import architecture_of

        network = parent_network(self.trunk)
        columns = columns_of_same_names(split.vocabulary, self.trunk.vocabulary)
        return NetworkStart(architecture_of(network), Inheritance(network, columns=columns))

    def remembered(self, split: SplitSet) -> Remembered:
        """Return nothing."""
        return Remembered()

    def judge(self, split: SplitSet, measured: Measured) -> Gate:
        """Return whether the model is better than guessing."""
        if measured.verdict.passed:
            return Gate(parent=None, passed=True, worse=[])
        return Gate(parent=None, passed=False, worse=[measured.verdict.sentence])

    def may_follow(self, current: Path) -> bool:
        """Return whether nothing is current: another model's labels are not this one's."""
        return not os.path.lexists(current)

    def lineage(self, split: SplitSet, gate: Gate) -> list[str]:
        """Return the trunk, and the labels whose rows were taken over."""
        if self.trunk is None:
            return []
        columns = columns_of_same_names(split.vocabulary, self.trunk.vocabulary)
        pairs = zip(split.vocabulary.labels, columns, strict=True)
        taken = ", ".join(label.key for label, column in pairs if column is not None)
        return [
            f"begun with the trunk of {self.trunk.name} (`{self.trunk.model_id[:12]}`); its head's "
            f"rows of: {taken or 'no label'}"
        ]

    def _say_trunk(self) -> None:
        """Say which model the training begins with; the word `starter` may be one's own folder."""
        if self.trunk is not None:
            say(
                f"begins with the trunk of {self.trunk.name} ({self.trunk.model_id[:12]}), "
                f"{str(self.trunk.path)!r}"
            )

    def _say_strangers(self, labelled: LabelledSet, vocabulary: Vocabulary) -> None:
        """Say which labels are too rare."""
        strange = labelled.strangers(vocabulary)
        if strange:
            named = ", ".join(f"{label} {n}" for label, n in strange.most_common(10))
            say(
                f"{len(strange)} labels of fewer than {self.min_pictures} pictures are left out: "
                f"{named}"
            )

    def _settle_empty_groups(
        self, labelled: LabelledSet, vocabulary: Vocabulary, options: TrainingOptions
    ) -> None:
        """Refuse groups that would not be learned, or say so where problems may be skipped."""
        empty = ", ".join(vocabulary.groups_without_labels)
        if not empty:
            return
        enough = f" that {self.min_pictures:,} pictures have" if self.min_pictures > 1 else ""
        found = f"there is no label of {empty}{enough}"
        if options.skip_problems:
            say(f"warning: {found}: it cannot be learned")
            return
        raise DatasetError(
            f"{labelled.source}: {found}, so it cannot be learned; fill in its cells (formulas "
            f"count once the program has stored their results), or name the other groups with "
            f"{setting('groups')}; {setting('skip_problems')} goes on without it"
        )

    def _held_out(self, labelled: LabelledSet, vocabulary: Vocabulary) -> tuple[LabelKeys, ...]:
        pairs = tuple(parse_pair(text, vocabulary) for text in self.hold_out_pairs)
        for text, pair in zip(self.hold_out_pairs, pairs, strict=True):
            if not any(pair <= example.present for example in labelled.examples):
                raise InputError(
                    f"{setting('hold_out_pair')} {text}: no picture shows it; {labelled.source} "
                    "has nothing to hold out"
                )
        return pairs

    def _unteachable(
        self, training: Float32Array, vocabulary: Vocabulary
    ) -> tuple[UnteachablePair, ...]:
        """Say which pairs the training pictures cannot teach, and return them."""
        recombines = self.recipe_name != "plain"
        found = unteachable(training, vocabulary, recombines=recombines)
        _say_unteachable(found)
        return tuple(UnteachablePair(pair=pair, reason=reason) for pair, reason in found)


def _say_seen(prepared: PreparedSet, seen: pa.Table, trunk: str) -> None:
    """Say how many of the pictures the trunk knows."""
    known = set(seen["content_sha256"].to_pylist())
    here = sum(digest in known for digest in prepared.digests)
    if here:
        say(
            f"{here:,} of {len(prepared.digests):,} pictures are known to {trunk}: they keep the "
            "part they have there, and what it was trained on tests nothing"
        )


def _say_unteachable(found: Sequence[tuple[tuple[str, str], str]]) -> None:
    for pair, reason in found[:_SHOWN_PAIRS]:
        say(
            f"warning: these pictures cannot teach {' + '.join(pair)}: {reason}, and none shows "
            "both"
        )
    if len(found) > _SHOWN_PAIRS:
        say(f"warning: nor {len(found) - _SHOWN_PAIRS} more pairs; the card lists them")
