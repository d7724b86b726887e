"""Training from a parent: the new model must still know what that knew.

The vocabulary grows, and pictures keep their parts.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from schemas.bundle import ComparedPart, Gate
from tagger.arrays import StrArray
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.prepared_set import PreparedSet
from tagger.datasets.problem_budget import settle_problems
from tagger.datasets.split_rows import labelled_rows
from tagger.datasets.unknown_labels import with_unknown_labels
from tagger.evaluation.gate import compare, judge
from tagger.evaluation.gate_words import gate_sentence
from tagger.evaluation.questions import Answers
from tagger.imaging.preprocessing import Reading
from tagger.labels.growing import grow, parse_known_label, parse_label, split_key
from tagger.labels.vocabulary import LabelKey, Vocabulary, canonical_name
from tagger.models.bundle import Bundle
from tagger.pipeline.corrected_set import pictures_with_label, unknown_where_not_taught
from tagger.pipeline.labelled_sets import read_labelled
from tagger.pipeline.measuring import Measured, Remembered
from tagger.pipeline.old_labels import judged_targets, replays, silent_unknown
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.parent_network import parent_network
from tagger.pipeline.split_set import SplitSet
from tagger.pipeline.starting_point import NetworkStart
from tagger.progress import say
from tagger.settings import setting
from tagger.training.recipe import Recipe

OLD_PART = "parent's test part"
NEW_PART = "new test part"


@dataclass(frozen=True, kw_only=True)
class FromParent:
    """A training that starts from a saved model.

    Attributes
    ----------
    parent : Bundle
    add : tuple of str
        New labels, each GROUP:LABEL.
    splits : tuple of str
        Old labels that new ones are split from, each OLD or NEW=OLD.
    retire : tuple of str
        Labels that are to be answered no more.
    min_pictures : int
        Undeclared labels of fewer pictures are left out.
    accept_new_labels : bool
        Whether all others are taken.
    freeze_trunk : bool
        Whether the head alone is trained.
    tolerance : float
        How many points of macro AP on old labels may be lost.
    """

    parent: Bundle
    add: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    min_pictures: int = 1
    accept_new_labels: bool = False
    freeze_trunk: bool = False
    tolerance: float = 0.5

    @property
    def recipe_name(self) -> str:
        """Return what the card calls the recipe."""
        return "evidence, continued"

    def sets(self, options: TrainingOptions) -> LabelledSet:
        """Return the labelled sets as one.

        Raises
        ------
        DatasetError, VocabularyError, InputError
            If the data, or what is to be added or retired, does not fit the parent's vocabulary.
        """
        old = self.parent.vocabulary
        added = self._added()
        # Folder names may spell a declared label of several words, so the sets are read with it.
        spelling = old.extend(key for key in added if old.index(*key) is None)
        labelled = read_labelled(
            options.datasets,
            options.names,
            options.exclude,
            columns=options.columns,
            image_root=options.image_root,
            corrections=options.corrections,
            vocabulary=spelling,
            skip_problems=options.skip_problems,
        )
        labelled = unknown_where_not_taught(
            labelled, spelling.retire(self._retired()), new_ones=self.accept_new_labels
        )
        if not self._skips_undeclared(options):
            return labelled
        undeclared = set(map(split_key, self._strangers(labelled))) - set(added)
        labelled = with_unknown_labels(labelled, undeclared)
        return settle_problems(labelled, budget=options.skip_problems)

    def taught(self, labelled: LabelledSet, options: TrainingOptions) -> Vocabulary:
        """Return the parent's vocabulary with what is new in it.

        Raises
        ------
        VocabularyError, InputError
            If what is to be added or retired, or the data, does not fit the parent's vocabulary.
        """
        old = self.parent.vocabulary
        strangers = self._strangers(labelled)
        if rare := labelled.strangers(old).keys() - strangers.keys():
            say(f"{len(rare)} labels of fewer than {self.min_pictures} pictures are left out")
        added = self._added()
        if self._skips_undeclared(options):
            declared = {f"{group}:{name}" for group, name in added}
            strangers = Counter({key: n for key, n in strangers.items() if key in declared})
        splits = [_parse_split(text, old) for text in self.splits]
        grown = grow(old, strangers, added, accept=self.accept_new_labels, splits=splits, since="")
        if named := [label.key for label in grown.labels[len(old) :]]:
            counted = ((key, pictures_with_label(labelled, key)) for key in named)
            say("new: " + ", ".join(f"{key!r} ({pictures})" for key, pictures in counted))
        return self._judged_as_before(grown.retire(self._retired()))

    def _skips_undeclared(self, options: TrainingOptions) -> bool:
        """Return whether labels that were not declared are problems; else `grow` refuses them."""
        return options.skip_problems is not None and not self.accept_new_labels

    def _added(self) -> list[LabelKey]:
        return [parse_label(text, self.parent.vocabulary, setting("add")) for text in self.add]

    def _retired(self) -> list[LabelKey]:
        vocabulary = self.parent.vocabulary
        return [parse_known_label(text, vocabulary, setting("retire")) for text in self.retire]

    def decides(self) -> dict[str, object]:
        """Return the parent, and how it is continued."""
        return {
            "parent": self.parent.model_id,
            "freeze_trunk": self.freeze_trunk,
            "tolerance": self.tolerance,
        }

    def reading(self) -> Reading:
        """Return how this program reads pictures; for a frozen trunk as the parent does.

        That has its features only of what it was shown.
        """
        return self.parent.reading if self.freeze_trunk else Reading(self.parent.size)

    def seen(self) -> pa.Table | None:
        """Return what the parent has seen."""
        return self.parent.split()

    def judged(self, prepared: PreparedSet, vocabulary: Vocabulary) -> Vocabulary:
        """Return the vocabulary: what groups are judged by is the parent's."""
        return vocabulary

    def parts(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> StrArray:
        """Return the parent's parts, and those of what is new."""
        return prepared.continued_split(self.parent.split(), seed=seed)

    def split(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> SplitSet:
        """Return the set with the parent's parts, and targets unknown where nobody was asked."""
        before = self.parent.split()
        parts = self.parts(prepared, vocabulary, seed=seed)
        table = prepared.split_table(parts, judged=len(vocabulary), parent=before)
        targets = judged_targets(prepared, vocabulary, table, len(self.parent.vocabulary))
        replayed = replays(prepared, parts, before)
        if not replayed:
            train = prepared.rows[parts == "train"]
            targets = silent_unknown(targets, train, len(self.parent.vocabulary))
        return SplitSet(
            prepared=prepared,
            parts=parts,
            targets=targets,
            vocabulary=vocabulary,
            table=table,
            replays=replayed,
        )

    def recipe(self, pictures: int) -> Recipe:
        """Return what a trained network is trained on with."""
        return Recipe.continued(pictures)

    def network(self, split: SplitSet) -> NetworkStart:
        """Return the parent's network, and whether it teaches."""
        from tagger.training.fine_tuning import Inheritance
        from tagger.training.network import architecture_of

        network = parent_network(self.parent)
        if self.freeze_trunk and self.parent.packed:
            say(
                f"{self.parent.name} is packed: features that its nights stored are of its float16 "
                "trunk, so the first night of the new model reads every picture"
            )
        inherited = Inheritance(network, distils=not split.replays, frozen=self.freeze_trunk)
        return NetworkStart(architecture_of(network), inherited)

    def remembered(self, split: SplitSet) -> Remembered:
        """Return the parent's thresholds and trained pairs, where its pictures are gone."""
        if split.replays:
            return Remembered()
        return Remembered(
            self.parent.threshold_rows(), self.parent.trained_pairs(), self.parent.likeness
        )

    def judge(self, split: SplitSet, measured: Measured) -> Gate:
        """Return how the model compares with its parent on the labels of that."""
        evaluation = self.parent.metrics().evaluation
        labels = zip(evaluation.labels, split.vocabulary.labels, strict=False)
        measurable = [row.label for row, label in labels if row.positives and not label.retired]
        found = self._compare(split, measured)
        return judge(
            found,
            self.parent.name,
            self.tolerance,
            measurable=measurable,
            nobody_has_the_old=self.parent.is_starter,
        )

    def may_follow(self, current: Path) -> bool:
        """Return whether a child of the parent may become current; says why not."""
        now = current.resolve()
        if now == self.parent.path:
            return True
        if now.exists():  # it may know labels that the child does not: their columns would go
            say(
                f"not promoted: current is {now.name}, and this was compared with "
                f"{self.parent.name} alone"
            )
            return False
        if not self.parent.gate.passed:
            say(
                f"not promoted: its parent {self.parent.name} did not pass its own gate, and is "
                "not current"
            )
            return False
        return True

    def lineage(self, split: SplitSet, gate: Gate) -> list[str]:
        """Return the parent, what was added, and how the two compare."""
        labels = split.vocabulary.labels[len(self.parent.vocabulary) :]
        added = ", ".join(label.key for label in labels) or "nothing"
        how = "without the old pictures, their labels kept alive by the parent"
        if split.replays:
            how = "with the old pictures"
        return [
            f"retrained from {self.parent.name} (`{self.parent.model_id[:12]}`), {how}; "
            f"added: {added}",
            f"gate: {gate_sentence(gate)}",
        ]

    def _judged_as_before(self, vocabulary: Vocabulary) -> Vocabulary:
        """Return the vocabulary, its groups judged as the parent judges them."""
        why = f"as {self.parent.name} judges it"
        groups = tuple(replace(group, why=why) for group in vocabulary.groups)
        return replace(vocabulary, groups=groups)

    def _strangers(self, labelled: LabelledSet) -> Counter[str]:
        """Return the labels that the parent does not have, by pictures, rare ones left out."""
        declared = {f"{group}:{name}" for group, name in self._added()}
        every = labelled.strangers(self.parent.vocabulary)
        return Counter(
            {key: n for key, n in every.items() if key in declared or n >= self.min_pictures}
        )

    def _compare(self, split: SplitSet, measured: Measured) -> list[ComparedPart]:
        """Return both models on the parent's test part, as far as it is there, and on the new."""
        from tagger.training.network import logits_alone
        from tagger.training.validation import predict_logits

        old = set(labelled_rows(self.parent.split())["content_sha256"].to_pylist())
        is_old = np.array([digest in old for digest in split.prepared.digests], bool)
        tested = split.parts == "test"
        if not (is_old & tested).any():
            say(
                "none of the parent's test part is in the data: the gate knows only the new "
                "pictures"
            )
        parent = logits_alone(parent_network(self.parent))
        now = logits_alone(measured.network)
        limits = np.array([row.threshold for row in measured.thresholds])
        found = []
        for part, here in ((OLD_PART, is_old), (NEW_PART, ~is_old)):
            rows = split.prepared.rows[tested & here]
            if len(rows):
                was = predict_logits(parent, split.pixels, rows)
                became = predict_logits(now, split.pixels, rows)
                both = (
                    Answers(was, self.parent.thresholds, self.parent.vocabulary),
                    Answers(became, limits, split.vocabulary),
                )
                targets = split.targets[rows]
                found.append(compare(part, *both, targets, tolerance=self.tolerance))
        return found


def _parse_split(text: str, vocabulary: Vocabulary) -> tuple[str, LabelKey]:
    """Return the new name, empty if there is none, and the old label of `[NEW=]OLD`."""
    new, _, old = text.rpartition("=")
    name = canonical_name(new.rpartition(":")[2])
    return name, parse_known_label(old, vocabulary, setting("splits"))
