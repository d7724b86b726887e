"""Retraining: grow a model by new labels, and promote it only if it still knows what its parent
knew."""

import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.console.command_line import command_line
from jobs.train import card, decoded, picture_facts
from schemas.bundle import Change, Gate, GroupChange, LabelChange
from tagger.arrays import Float32Array, Int64Array, StrArray
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.prepared_set import PreparedSet
from tagger.errors import InputError
from tagger.evaluation.gate import Answers, compare, judge
from tagger.files import Lock
from tagger.imaging.preprocessing import Reading
from tagger.labels.growing import grow, parse_known_label, parse_label, unjudged
from tagger.labels.vocabulary import Vocabulary, canonical_name
from tagger.models.bundle import Bundle, load_bundle, next_name, set_current
from tagger.models.predictor import load_network
from tagger.models.writer import BundleContents, save_bundle
from tagger.pipeline.concluding import Concluded, compare_on, conclude
from tagger.pipeline.fitting import Fitted, fit_set
from tagger.pipeline.labelled_sets import read_labelled
from tagger.pipeline.resuming import begin, check_contents, work_folder
from tagger.progress import say
from tagger.training.recipe import Recipe

OLD_PART, NEW_PART = "parent's test part", "new test part"


@dataclass(frozen=True)
class RetrainOptions:
    """What `tagger retrain` was asked to do; its help says what each means."""

    datasets: tuple[str, ...]
    parent: str
    models: str
    add: tuple[str, ...] = ()
    names: str | None = None
    exclude: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    min_pictures: int = 1
    accept_new_labels: bool = False
    freeze_trunk: bool = False
    tolerance: float = 0.5
    promote: bool = True
    name: str | None = None  # None: the parent's
    epochs: int | None = None  # None: the recipe's own
    seed: int = 0
    min_precision: float | None = None
    resume: bool = False
    workers: int = 0  # 0: one per core


def retrain(options: RetrainOptions) -> dict[str, Any]:
    """Return the summary declared in `schemas.reports.RETRAIN`, after saving the next version.

    It is promoted if it passed its gate, unless that was not wanted.

    Raises
    ------
    InputError, Locked, TrainingDiverged
        Nothing is saved then.
    """
    start = time.perf_counter()
    parent, models = load_bundle(options.parent), Path(options.models)
    if parent.packed:
        raise InputError(
            f"--from {options.parent!r} is packed, for tagging alone; retrain from the model that "
            "it was packed from, "
            "or train one of your own"
        )
    family = options.name or parent.name.rsplit("-v", 1)[0]
    next_name(models, family)  # says what is wrong with it
    work = work_folder(models, family)
    with Lock(work / "lock"):
        name = next_name(models, family)
        labelled, vocabulary = read_and_grow(options, parent, since=name)
        begin(work, _asked_for(labelled, vocabulary, parent, options), resume=options.resume)
        # A frozen trunk has the parent's features only of what the parent was shown.
        reading = parent.reading if options.freeze_trunk else Reading(parent.size)
        prepared = decoded(labelled, work / "pixels", reading, options.workers)
        before = parent.split()
        parts = prepared.continued_split(before, seed=options.seed)
        replays = _replays(prepared, parts, before)
        recipe = _recipe(options, int((parts == "train").sum()))
        check_contents(work, prepared, recipe, resume=options.resume)
        split = prepared.split_table(parts, judged=len(vocabulary), parent=before)
        targets = _judged_targets(prepared, vocabulary, split)
        fitted = _fit(
            prepared,
            parts,
            targets,
            vocabulary,
            recipe,
            parent,
            options,
            work / "checkpoints",
            replays=replays,
        )
        concluded = conclude(
            fitted,
            vocabulary,
            options.min_precision,
            without_pictures_of=None if replays else parent,
        )
        gate = _gate(
            parent, prepared, parts, targets, before, vocabulary, concluded, options.tolerance
        )
        facts = replace(
            picture_facts(fitted, prepared, options.datasets),
            recipe="evidence, continued",
            seed=options.seed,
            command=command_line("retrain", replace(options, parent=str(parent.path))),
            lineage=_lineage(parent, vocabulary, gate, replays=replays),
        )
        path = save_bundle(
            models,
            name,
            BundleContents(
                network=concluded.network,
                vocabulary=vocabulary,
                thresholds=concluded.thresholds,
                split=split,
                metrics=concluded.metrics,
                plots=concluded.plots,
                card=lambda model_id: card(name, model_id, vocabulary, concluded, facts),
                parent=parent.model_id,
                gate=gate,
                reading=reading,
            ),
        )
        compare_on(fitted, path)
        shutil.rmtree(work)
    promoted = gate.passed and options.promote and _may_follow(models / "current", parent)
    if promoted:
        set_current(models, name)
    saved = load_bundle(path)
    return {
        "bundle": str(path),
        "model_id": saved.model_id,
        "parent": parent.name,
        "added": [label.key for label in vocabulary.labels[len(parent.vocabulary) :]],
        "retired": [label.key for label in vocabulary.labels if label.retired],
        "replayed": replays,
        "same_trunk": saved.trunk == parent.trunk,
        "pictures": facts.pictures,
        "best_epoch": fitted.best,
        "seconds": round(time.perf_counter() - start, 1),
        "evaluation": concluded.metrics.evaluation,
        "gate": gate,
        "promoted": promoted,
    }


def _may_follow(current: Path, parent: Bundle) -> bool:
    """Return whether a child of `parent` may become current; says why not."""
    now = current.resolve()
    if now == parent.path:
        return True
    if now.exists():  # it may know labels that the child does not: their columns would go
        say(f"not promoted: current is {now.name}, and this was compared with {parent.name} alone")
        return False
    if not parent.gate.passed:
        say(f"not promoted: its parent {parent.name} did not pass its own gate, and is not current")
        return False
    return True


def retrain_text(result: dict[str, Any]) -> str:
    """Return the result of a retraining as text for a terminal."""
    from jobs.evaluate import table

    end = "promoted: it is current now" if result["promoted"] else "not promoted"
    if result["gate"].passed and not result["promoted"]:
        end += f"; 'tagger promote {result['bundle']}' makes it current"
    if not result["gate"].passed:
        end += f"; if it is good enough all the same: 'tagger promote {result['bundle']} --force'"
    saved = (
        f"saved {result['bundle']} (model_id {result['model_id'][:12]}...), {end}; "
        f"{result['seconds']:.0f} s"
    )
    return "\n".join([table(result["evaluation"]), "", gate_text(result["gate"]), "", saved])


def gate_text(gate: Gate) -> str:
    """Return the comparison with the parent as text for a terminal."""
    lines = [
        f"gate: {'passed' if gate.passed else 'failed'}, compared with {gate.parent} on its labels"
    ]
    for part in gate.parts:
        lines.append(
            f"{part.part}, {part.pictures:,} pictures; tags changed on {part.tags_changed:.1%}"
        )
        lines.append(f"  {'':24} positives  parent     now")
        rows: list[tuple[str, str, Change | LabelChange | GroupChange]]
        rows = [("macro AP", "", part.macro_ap)]
        rows += [(f"AP {row.label}", f"{row.positives:,}", row) for row in part.labels]
        rows += [(f"{row.group} right, of", f"{row.pictures:,}", row) for row in part.groups]
        for what, n, values in rows:
            if values.now is not None:
                lines.append(f"  {what:24} {n:>9}  {values.parent:.4f}  {values.now:.4f}")
    lines += [f"worse: {text}" for text in gate.worse]
    return "\n".join(lines)


def read_and_grow(
    options: RetrainOptions, parent: Bundle, *, since: str
) -> tuple[LabelledSet, Vocabulary]:
    """Return all the data as one set, and the parent's vocabulary with what is new in it.

    Raises
    ------
    DatasetError, VocabularyError, InputError
        If the data, or what is to be added or retired, does not fit the parent's vocabulary.
    """
    old = parent.vocabulary
    added = [parse_label(text, old, "--add") for text in options.add]
    splits = [_parse_split(text, old) for text in options.splits]
    retired = [parse_known_label(text, old, "--retire") for text in options.retire]
    # Folder names may spell a declared label of several words, so the sets are read with it.
    spelling = old.extend(key for key in added if old.index(*key) is None)
    labelled = read_labelled(options.datasets, options.names, options.exclude, vocabulary=spelling)
    keys = {f"{group}:{name}" for group, name in added}
    every = labelled.strangers(old)
    strangers = Counter(
        {key: n for key, n in every.items() if key in keys or n >= options.min_pictures}
    )
    if rare := every.keys() - strangers.keys():
        say(f"{len(rare)} labels of fewer than {options.min_pictures} pictures are left out")
    grown = grow(
        old, strangers, added, accept=options.accept_new_labels, splits=splits, since=since
    )
    if named := [label.key for label in grown.labels[len(old) :]]:
        say("new: " + ", ".join(f"{key} ({strangers[key]:,} pictures)" for key in named))
    return labelled, grown.retire(retired)


def _parse_split(text: str, vocabulary: Vocabulary) -> tuple[str, tuple[str, str]]:
    """Return the new name, empty if there is none, and the old label of `[NEW=]OLD`."""
    new, _, old = text.rpartition("=")
    return canonical_name(new.rpartition(":")[2]), parse_known_label(old, vocabulary, "--splits")


def _asked_for(
    labelled: LabelledSet, vocabulary: Vocabulary, parent: Bundle, options: RetrainOptions
) -> dict[str, Any]:
    """Return all that decides what a retraining does, as JSON."""
    said = asdict(options) | {
        "resume": None,
        "models": None,
        "workers": None,
        "parent": parent.model_id,
    }
    said |= {"vocabulary": [asdict(replace(x, since="")) for x in vocabulary.labels]}
    return said | {
        "examples": [[e.path, sorted(e.present), sorted(e.known)] for e in labelled.examples]
    }


def _recipe(options: RetrainOptions, pictures: int) -> Recipe:
    recipe = Recipe.continued(pictures)
    return replace(recipe, seed=options.seed, epochs=options.epochs or recipe.epochs)


def _judged_targets(prepared: PreparedSet, vocabulary: Vocabulary, split: pa.Table) -> Float32Array:
    """Return the targets of all examples, unknown where a picture was labelled before a label was
    there."""
    when = dict(zip(split["content_sha256"].to_pylist(), split["judged"].to_pylist(), strict=True))
    judged = np.array(
        [when.get(facts.content_sha256, len(vocabulary)) for facts in prepared.cache.facts],
        np.int64,
    )
    return unjudged(prepared.labelled.targets(vocabulary), vocabulary, judged)


def _replays(prepared: PreparedSet, parts: StrArray, before: pa.Table) -> bool:
    """Return whether the pictures that the parent was trained on are there too, or half of them at
    least."""
    trained = {row["content_sha256"] for row in before.to_pylist() if row["part"] == "train"}
    here = trained & {
        digest for digest, part in zip(prepared.digests, parts, strict=True) if part == "train"
    }
    if len(here) >= len(trained) / 2:
        return True
    say(
        f"{len(here):,} of the {len(trained):,} pictures that the parent was trained on are in the "
        "data: its own "
        "answers on the new pictures stand in for what those do not say about old labels"
    )
    return False


def _fit(
    prepared: PreparedSet,
    parts: StrArray,
    targets: Float32Array,
    vocabulary: Vocabulary,
    recipe: Recipe,
    parent: Bundle,
    options: RetrainOptions,
    checkpoints: Path,
    *,
    replays: bool,
) -> Fitted:
    from tagger.training.fine_tuning import Inheritance
    from tagger.training.network import architecture_of

    network = load_network(parent)
    return fit_set(
        prepared,
        parts,
        targets
        if replays
        else _silent_unknown(targets, prepared.rows[parts == "train"], len(parent.vocabulary)),
        vocabulary,
        recipe,
        asdict(architecture_of(network)),
        checkpoints=checkpoints,
        resume=options.resume,
        inherited=Inheritance(network, distils=not replays, frozen=options.freeze_trunk),
    )


def _silent_unknown(targets: Float32Array, train: Int64Array, old: int) -> Float32Array:
    """Return targets in which old labels that no training picture has are unknown there.

    Else they would be taught their absence alone; so the parent's answers stand in for them.
    """
    result, silent = targets.copy(), np.flatnonzero(~(targets[train, :old] == 1).any(axis=0))
    result[np.ix_(train, silent)] = np.nan
    return result


def _gate(
    parent: Bundle,
    prepared: PreparedSet,
    parts: StrArray,
    targets: Float32Array,
    before: pa.Table,
    vocabulary: Vocabulary,
    concluded: Concluded,
    tolerance: float,
) -> Gate:
    """Return the gate: both models on the parent's test part, as far as it is there, and on the
    new pictures'."""
    from tagger.training.fit import predict_logits
    from tagger.training.network import logits_alone

    old = set(before["content_sha256"].to_pylist())
    is_old = np.array([digest in old for digest in prepared.digests], bool)
    if not (is_old & (parts == "test")).any():
        say("none of the parent's test part is in the data: the gate knows only the new pictures")
    thresholds = np.array([row.threshold for row in concluded.thresholds])
    networks = (logits_alone(load_network(parent)), logits_alone(concluded.network))
    found = []
    for part, here in ((OLD_PART, is_old), (NEW_PART, ~is_old)):
        rows = prepared.rows[(parts == "test") & here]
        if len(rows):
            logits = [predict_logits(network, prepared.cache.pixels, rows) for network in networks]
            was = Answers(logits[0], parent.thresholds, parent.vocabulary)
            found.append(
                compare(part, was, Answers(logits[1], thresholds, vocabulary), targets[rows])
            )
    labels = zip(parent.metrics().evaluation.labels, vocabulary.labels, strict=False)
    measurable = [row.label for row, label in labels if row.positives and not label.retired]
    return judge(found, parent.name, tolerance, measurable=measurable)


def _lineage(
    parent: Bundle,
    vocabulary: Vocabulary,
    gate: Gate,
    *,
    replays: bool,
) -> list[str]:
    """Return what the card says of where the model comes from."""
    added = (
        ", ".join(label.key for label in vocabulary.labels[len(parent.vocabulary) :]) or "nothing"
    )
    how = (
        "with the old pictures"
        if replays
        else "without the old pictures, their labels kept alive by the parent"
    )
    verdict = "passed" if gate.passed else f"failed ({'; '.join(gate.worse)})"
    return [
        f"retrained from {parent.name} (`{parent.model_id[:12]}`), {how}; added: {added}",
        f"gate: {verdict}",
    ]
