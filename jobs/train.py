"""Training: read, split, fit, calibrate, measure, save one bundle."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jobs.console.command_line import command_line, last_part
from schemas.training import PictureCounts, UnteachablePair
from tagger.arrays import FloatArray
from tagger.cpus import usable_cpus
from tagger.datasets.labelled_set import LabelKeys, LabelledSet
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.errors import DatasetError, InputError
from tagger.files import Lock
from tagger.imaging.preprocessing import Reading
from tagger.labels.pairs import parse_pair, unteachable
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.card import TrainingFacts
from tagger.pipeline.concluding import Concluded, compare_on, conclude
from tagger.pipeline.fitting import Fitted, fit_set
from tagger.pipeline.labelled_sets import read_labelled
from tagger.pipeline.resuming import begin, check_contents, work_folder
from tagger.progress import Progress, say
from tagger.training.recipe import Recipe

_SHOWN_PAIRS = 10


@dataclass(frozen=True)
class TrainOptions:
    """What `tagger train` was asked to do."""

    datasets: tuple[str, ...]
    models: str
    name: str = "fashion"
    groups: str | None = None
    names: str | None = None
    exclude: tuple[str, ...] = ()
    vocabulary: str | None = None
    epochs: int | None = None  # None: the recipe's own
    seed: int = 0
    recipe: Literal["evidence", "plain"] = "evidence"
    hold_out_pairs: tuple[str, ...] = ()
    min_pictures: int = 1
    min_precision: float | None = None
    resume: bool = False
    workers: int = 0  # 0: one per core
    architecture: dict[str, Any] = field(
        default_factory=dict
    )  # of `tagger.training.network.Architecture`; tests use small ones


def train(options: TrainOptions) -> dict[str, Any]:
    """Return the summary declared in `schemas.reports.TRAIN`, after saving a bundle.

    It becomes current if there is none, unless it is no better than guessing.

    Raises
    ------
    InputError, Locked, TrainingDiverged
        Nothing is saved then.
    """
    from schemas.bundle import Gate
    from tagger.models.bundle import load_bundle, next_name, set_current
    from tagger.models.writer import NO_GATE, BundleContents, save_bundle

    start = time.perf_counter()
    labelled, given = _read(options)
    models = Path(options.models)
    next_name(models, options.name)  # says what is wrong with it
    vocabulary = given or labelled.vocabulary(min_pictures=options.min_pictures)
    held_out = _held_out(labelled, vocabulary, options)
    if rare := labelled.strangers(vocabulary):
        named = ", ".join(f"{label} {n}" for label, n in rare.most_common(10))
        say(
            f"{len(rare)} labels of fewer than {options.min_pictures} pictures are left out: "
            f"{named}"
        )
    work = work_folder(models, options.name)
    with Lock(work / "lock"):
        name = next_name(models, options.name)
        vocabulary = vocabulary.born(name)
        begin(work, _asked_for(labelled, vocabulary, options), resume=options.resume)
        prepared = decoded(labelled, work / "pixels", _reading(options), options.workers)
        parts, targets = (
            prepared.split(seed=options.seed, held_out=held_out),
            labelled.targets(vocabulary),
        )
        recipe = _recipe(options, int((parts == "train").sum()))
        check_contents(work, prepared, recipe, resume=options.resume)
        cannot = _unteachable(targets[prepared.rows[parts == "train"]], vocabulary, options)
        # TensorFlow is loaded only now: whatever is wrong with the set is said at once.
        fitted = fit_set(
            prepared,
            parts,
            targets,
            vocabulary,
            recipe,
            options.architecture,
            checkpoints=work / "checkpoints",
            resume=options.resume,
        )
        concluded = conclude(fitted, vocabulary, options.min_precision, held_out=held_out)
        passed = concluded.verdict.passed
        facts = replace(
            picture_facts(fitted, prepared, options.datasets),
            recipe=options.recipe,
            seed=options.seed,
            unteachable=cannot,
            command=command_line("train", options),
        )
        path = save_bundle(
            models,
            name,
            BundleContents(
                network=concluded.network,
                vocabulary=vocabulary,
                thresholds=concluded.thresholds,
                split=prepared.split_table(parts, judged=len(vocabulary)),
                metrics=concluded.metrics,
                plots=concluded.plots,
                card=lambda model_id: card(name, model_id, vocabulary, concluded, facts),
                gate=NO_GATE if passed else Gate(passed=False, worse=[concluded.verdict.sentence]),
            ),
        )
        if passed and not os.path.lexists(models / "current"):
            set_current(models, name)
        compare_on(fitted, path)
        shutil.rmtree(work)
    return {
        "bundle": str(path),
        "model_id": load_bundle(path).model_id,
        "parameters": facts.parameters,
        "pictures": facts.pictures,
        "best_epoch": fitted.best,
        "seconds": round(time.perf_counter() - start, 1),
        "verdict": concluded.verdict,
        "promoted": (models / "current").resolve() == path.resolve(),
        "evaluation": concluded.metrics.evaluation,
        "calibration": concluded.metrics.calibration,
        "held_out": list(options.hold_out_pairs),
        "unteachable": cannot,
    }


def check(options: TrainOptions) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.CHECK`; trains nothing and leaves nothing
    behind."""
    import tempfile

    labelled, given = _read(options)
    vocabulary = given or labelled.vocabulary(
        min_pictures=options.min_pictures
    )  # says what is wrong with the labels
    _held_out(labelled, vocabulary, options)
    with tempfile.TemporaryDirectory(prefix="tagger-check-") as folder:
        return decoded(labelled, Path(folder), _reading(options), options.workers).check()


def train_text(result: dict[str, Any]) -> str:
    """Return the result of a training as text for a terminal."""
    from jobs.evaluate import table
    from tagger.models.card import number

    head = (
        f"saved {result['bundle']} (model_id {result['model_id'][:12]}..., epoch "
        f"{result['best_epoch']} kept)"
    )
    of_it = result["calibration"]
    change = f"{number(of_it.before)} before calibration, {number(of_it.after)} after"
    end = f"{head} in {result['seconds']:.0f} s\n{result['verdict'].sentence}"
    if not result["verdict"].passed:
        end += (
            "\nnot promoted: give it more pictures, or better labelled ones ('tagger train "
            "--check' counts them); "
            f"if it is good enough all the same: 'tagger promote {result['bundle']} --force'"
        )
    return f"{table(result['evaluation'])}\ncalibration error  {change}\n\n{end}"


def check_text(found: dict[str, Any]) -> str:
    """Return the report of --check as text for a terminal."""
    lines = [f"{found['dataset']}: {found['pictures']:,} pictures"]
    for title, counts in (("labels", found["labels"]), ("pairs", found["pairs"])):
        lines.append(f"{title}:")
        lines += [f"  {n:8,}  {name}" for name, n in counts.items()]
    if found["unlabelled"]:
        lines.append(f"without any label: {found['unlabelled']:,}")
    for key in ("duplicates", "near_duplicates", "conflicts"):
        families = found[key]
        extra = sum(len(family) - 1 for family in families)
        lines.append(
            f"{key.replace('_', '-')}: {len(families):,} families, {extra:,} pictures too many"
        )
        lines += [f"  {' = '.join(family)}" for family in families[:5]]
    lines.append(f"unreadable: {len(found['unreadable']):,}")
    lines += [
        f"  {row['image']}: {row['status']}: {row['error']}" for row in found["unreadable"][:20]
    ]
    return "\n".join(lines)


def decoded(labelled: LabelledSet, folder: Path, reading: Reading, workers: int) -> PreparedSet:
    """Return the set decoded into `folder`, after saying what had to be left out."""
    with Progress(len(labelled.examples), "decoding") as progress:
        prepared = prepare(
            labelled, folder, reading, workers=workers or usable_cpus(), progress=progress.advance
        )
    for example, facts in prepared.unreadable[:5]:
        say(f"left out: {example.image_id}: {facts.status}: {facts.error}")
    if len(prepared.unreadable) > 5:
        say(f"left out: {len(prepared.unreadable) - 5} more; --check lists them")
    return prepared


def picture_facts(fitted: Fitted, prepared: PreparedSet, datasets: Sequence[str]) -> TrainingFacts:
    """Return what the card says of a training: pictures per part, epochs, parameters."""
    return TrainingFacts(
        pictures=PictureCounts(
            train=len(fitted.data.train),
            validation=len(fitted.data.validation),
            test=len(fitted.test),
            unreadable=len(prepared.unreadable),
        ),
        source=" and ".join(map(last_part, datasets)),
        command="",
        recipe="",
        seed=0,
        epochs=fitted.epochs,
        best_epoch=fitted.best,
        parameters=fitted.network.count_params(),
    )


def card(
    name: str,
    model_id: str,
    vocabulary: Vocabulary,
    concluded: Concluded,
    facts: TrainingFacts,
) -> str:
    """Return the text of a bundle's README.md."""
    from tagger.models.card import model_card

    return model_card(
        name=name,
        model_id=model_id,
        vocabulary=vocabulary,
        facts=facts,
        thresholds=concluded.thresholds,
        metrics=concluded.metrics,
        verdict=concluded.verdict.sentence,
    )


def _reading(options: TrainOptions) -> Reading:
    return Reading(options.architecture.get("size", 96))


def _recipe(options: TrainOptions, pictures: int) -> Recipe:
    """Return how to fit a train part of so many pictures."""
    recipe = Recipe.plain() if options.recipe == "plain" else Recipe.evidence(pictures)
    return replace(recipe, seed=options.seed, epochs=options.epochs or recipe.epochs)


def _held_out(
    labelled: LabelledSet, vocabulary: Vocabulary, options: TrainOptions
) -> list[LabelKeys]:
    pairs = [parse_pair(text, vocabulary) for text in options.hold_out_pairs]
    for text, pair in zip(options.hold_out_pairs, pairs, strict=True):
        if not any(pair <= example.present for example in labelled.examples):
            raise InputError(
                f"--hold-out-pair {text}: no picture shows it; {labelled.source} has nothing to "
                "hold out"
            )
    return pairs


def _read(options: TrainOptions) -> tuple[LabelledSet, Vocabulary | None]:
    if options.groups and options.vocabulary:
        raise InputError(
            "--groups and --vocabulary: give one of them; a vocabulary names its groups itself"
        )
    if options.min_pictures > 1 and options.vocabulary:
        raise InputError(
            "--min-pictures and --vocabulary: give one of them; a vocabulary names its labels "
            "itself"
        )
    vocabulary = None
    if options.vocabulary:
        try:
            text = Path(options.vocabulary).read_text(encoding="utf-8-sig")
            vocabulary = Vocabulary.parse(text, source=options.vocabulary).canonical()
        except (OSError, ValueError) as error:
            raise InputError(
                f"--vocabulary {options.vocabulary!r} cannot be read: {error}"
            ) from error
    groups = parse_groups(options.groups) if options.groups else None
    labelled = read_labelled(
        options.datasets, options.names, options.exclude, groups=groups, vocabulary=vocabulary
    )
    if vocabulary is not None and (strange := labelled.strangers(vocabulary)):
        raise DatasetError(
            f"{labelled.source}: labels that the vocabulary does not have: {sorted(strange)}; add "
            "them"
        )
    return labelled, vocabulary


def _asked_for(
    labelled: LabelledSet, vocabulary: Vocabulary, options: TrainOptions
) -> dict[str, Any]:
    """Return all that decides what a training does, as JSON."""
    said = asdict(options) | {"resume": None, "models": None, "workers": None}
    said |= {"vocabulary": [asdict(replace(x, since="")) for x in vocabulary.labels]}
    return said | {
        "examples": [[e.image_id, sorted(e.present), sorted(e.known)] for e in labelled.examples]
    }


def _unteachable(
    training: FloatArray, vocabulary: Vocabulary, options: TrainOptions
) -> list[UnteachablePair]:
    """Say which pairs the training pictures cannot teach, and return them."""
    found = unteachable(training, vocabulary, recombines=options.recipe == "evidence")
    for pair, reason in found[:_SHOWN_PAIRS]:
        say(
            f"warning: these pictures cannot teach {' + '.join(pair)}: {reason}, and none shows "
            "both"
        )
    if len(found) > _SHOWN_PAIRS:
        say(f"warning: nor {len(found) - _SHOWN_PAIRS} more pairs; the card lists them")
    return [UnteachablePair(pair=pair, reason=reason) for pair, reason in found]
