"""One training, whatever it starts from: the story from labelled pictures to a saved model."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from schemas.bundle import Gate
from schemas.training import PictureCounts, UnlabelledTaught
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.problem_budget import pictures_with, settle_problems
from tagger.errors import InputError, Locked
from tagger.labels.vocabulary import Vocabulary
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.card import TrainingFacts, corrected_sentence, model_card
from tagger.models.versions import next_name, set_current
from tagger.models.writer import BundleContents, save_bundle
from tagger.pipeline.evidence import say_evidence
from tagger.pipeline.fitting import Fitted, fit_set
from tagger.pipeline.labelled_sets import decode_set
from tagger.pipeline.measuring import (
    Measured,
    calibrate_network,
    calibration_pictures,
    compare_precisions_of,
    measure_network,
)
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.resuming import work_folder
from tagger.pipeline.self_teaching import catalog_paths, decode_unlabelled, teach_itself
from tagger.pipeline.split_set import SplitSet
from tagger.pipeline.starting_point import StartingPoint
from tagger.progress import say
from tagger.training.recipe import Recipe


@dataclass(frozen=True)
class Candidate:
    """A model that has been measured and judged."""

    name: str
    split: SplitSet
    measured: Measured
    gate: Gate
    facts: TrainingFacts
    unlabelled: UnlabelledTaught | None = None


@dataclass(frozen=True)
class Trained:
    """A saved model, whether it is current, and how long it took in seconds."""

    path: Path
    bundle: Bundle
    candidate: Candidate
    promoted: bool
    seconds: float


def run_training(options: TrainingOptions, start: StartingPoint) -> Trained:
    """Return the next version of a model: saved, and current if it is good enough and may be.

    Raises
    ------
    InputError, Locked, TrainingDiverged
        Nothing is saved then.
    """
    began = time.perf_counter()
    next_name(options.models, options.family)  # says what is wrong with it
    labelled = start.sets(options)
    vocabulary = start.taught(labelled, options)
    catalog = catalog_paths(options.unlabelled, options.exclude, seed=options.seed)
    with work_folder(options.models, options.family, resume=options.resume) as work:
        parent = start.parent.name if start.parent is not None else None
        name = next_name(options.models, options.family, parent=parent)
        vocabulary = vocabulary.born(name)
        work.begin(_decisive(options, start, labelled, vocabulary))
        say_evidence(vocabulary)
        prepared = decode_set(labelled, work.pixels, start.reading(), workers=options.workers)
        prepared.refuse_nothing()
        settle_problems(
            prepared.labelled, budget=options.skip_problems, unreadable=prepared.problems
        )
        vocabulary = start.judged(prepared, vocabulary)
        split = start.split(prepared, vocabulary, seed=options.seed)
        _say_corrected(split)
        recipe = _recipe(options, start, len(split.rows("train")))
        work.check_contents(prepared, recipe, vocabulary)
        unlabelled = None
        if catalog:
            unlabelled = decode_unlabelled(
                catalog,
                prepared,
                start.seen(),
                work.unlabelled,
                start.reading(),
                workers=options.workers,
            )
        # TensorFlow is loaded only now: whatever is wrong with the set is said at once.
        fitted = fit_set(split, start.network(split), recipe, work)
        taught = None
        if unlabelled is not None:
            taught = teach_itself(fitted, split, unlabelled, start.network, recipe, work)
            split = taught.split
            fitted = taught.fitted
        remembered = start.remembered(split)
        calibrated = calibrate_network(
            fitted.network, split, remembered, min_precision=options.min_precision
        )
        measured = measure_network(calibrated, split, remembered, history=fitted.history)
        gate = start.judge(split, measured)
        report = taught.report if taught is not None else None
        facts = _facts(options, start, split, fitted, report)
        candidate = Candidate(name, split, measured, gate, facts, report)
        path = _save(candidate, options, start)
        promoted = gate.passed and options.promote and _promote(path, start)
        compare_precisions_of(path, split)
        work.remove()
    seconds = round(time.perf_counter() - began, 1)
    return Trained(path, load_bundle(path), candidate, promoted, seconds)


def _recipe(options: TrainingOptions, start: StartingPoint, pictures: int) -> Recipe:
    """Return how to fit so many pictures, as it was asked for."""
    recipe = replace(start.recipe(pictures), seed=options.seed)
    if options.epochs is None:
        return recipe
    return replace(recipe, epochs=options.epochs, passes=1)  # who counts epochs means each once


def _say_corrected(split: SplitSet) -> None:
    if split.corrected is not None:
        say(corrected_sentence(split.corrected))


def _decisive(
    options: TrainingOptions, start: StartingPoint, labelled: LabelledSet, vocabulary: Vocabulary
) -> dict[str, object]:
    """Return all that decides what a training does, as JSON, but the pictures' contents."""
    return {
        "start": start.decides(),
        "seed": options.seed,
        "epochs": options.epochs,
        "min_precision": options.min_precision,
        "groups": [asdict(group) for group in vocabulary.groups],
        "labels": [asdict(replace(label, since="")) for label in vocabulary.labels],
        "examples": [
            [example.image_id, sorted(example.present), sorted(example.known)]
            for example in labelled.examples
        ],
        "said": [
            [
                each.content,
                sorted(
                    (group, sorted(names or ()), names is None)
                    for group, names in each.answers.items()
                ),
                sorted(each.single.items()),
            ]
            for example in labelled.examples
            if (each := example.said) is not None
        ],
    }


def _facts(
    options: TrainingOptions,
    start: StartingPoint,
    split: SplitSet,
    fitted: Fitted,
    unlabelled: UnlabelledTaught | None,
) -> TrainingFacts:
    return TrainingFacts(
        pictures=PictureCounts(
            train=len(split.rows("train")),
            validation=len(split.rows("validation")),
            test=len(split.rows("test")),
            unreadable=len(split.prepared.unreadable),
            skipped=pictures_with(split.prepared.labelled.problems),
        ),
        source=options.source,
        command=options.command,
        recipe=start.recipe_name,
        seed=options.seed,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        way=fitted.way,
        parameters=fitted.network.count_params(),
        unteachable=split.unteachable,
        corrected=split.corrected,
        unlabelled=unlabelled,
    )


def _save(candidate: Candidate, options: TrainingOptions, start: StartingPoint) -> Path:
    """Return the folder of the saved bundle."""
    split = candidate.split
    measured = candidate.measured
    lineage = start.lineage(split, candidate.gate)

    def card(model_id: str) -> str:
        return model_card(
            name=candidate.name,
            model_id=model_id,
            vocabulary=split.vocabulary,
            facts=replace(candidate.facts, lineage=lineage),
            thresholds=measured.thresholds,
            metrics=measured.metrics,
            verdict=measured.verdict.sentence,
        )

    contents = BundleContents(
        network=measured.network,
        vocabulary=split.vocabulary,
        thresholds=measured.thresholds,
        likeness=measured.likeness,
        space=measured.space,
        split=split.table,
        metrics=measured.metrics,
        plots=measured.plots,
        card=card,
        gate=candidate.gate,
        parent=start.parent.model_id if start.parent is not None else None,
        reading=start.reading(),
        calibration=calibration_pictures(split),
    )
    return save_bundle(options.models, candidate.name, contents)


def _promote(path: Path, start: StartingPoint) -> bool:
    """Return whether the saved model is current now; it may be asked for later too."""
    try:
        return set_current(path.parent, path.name, may_follow=start.may_follow).done
    except (Locked, InputError) as error:
        say(f"not promoted: {error}; 'tagger promote {path}' makes it current")
        return False
