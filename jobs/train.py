"""Training: read, split, fit, calibrate, measure, save one bundle."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from jobs.progress import Progress, say
from jobs.train_concluding import Concluded, Fitted, conclude
from tagger.combinations import parse_pair, unteachable
from tagger.dataset import LabelledSet, read_dataset
from tagger.errors import DatasetError, InputError
from tagger.files import Lock, atomic_text
from tagger.labelling import PreparedSet, prepare
from tagger.recipe import Recipe
from tagger.vocabulary import Vocabulary, parse_groups

Floats = npt.NDArray[np.floating[Any]]
PairKeys = frozenset[tuple[str, str]]

_SHOWN_PAIRS = 10


@dataclass(frozen=True)
class TrainOptions:
    """What `tagger train` was asked to do."""

    dataset: str
    models: str
    name: str = "fashion"
    groups: str | None = None
    vocabulary: str | None = None
    epochs: int | None = None  # None: the recipe's own
    seed: int = 0
    recipe: Literal["evidence", "plain"] = "evidence"
    hold_out_pairs: tuple[str, ...] = ()
    min_pictures: int = 1
    min_precision: float | None = None
    resume: bool = False
    workers: int = 0  # 0: one per core
    architecture: dict[str, Any] = field(default_factory=dict)  # of `tagger.model.Architecture`; tests use small ones


def train(options: TrainOptions) -> dict[str, Any]:
    """Return the summary declared in `schemas.reports.TRAIN`, after saving a bundle.

    Raises
    ------
    InputError, Locked, TrainingDiverged
        Nothing is saved then.
    """
    from tagger.bundle import load_bundle, next_name, save_bundle, set_current

    start = time.perf_counter()
    labelled, given = _read(options)
    models = Path(options.models)
    name = next_name(models, options.name)
    vocabulary = given or labelled.vocabulary(since=name, min_pictures=options.min_pictures)
    held_out = _held_out(labelled, vocabulary, options)
    if rare := labelled.strangers(vocabulary):
        named = ", ".join(f"{label} {n}" for label, n in rare.most_common(10))
        say(f"{len(rare)} labels of fewer than {options.min_pictures} pictures are left out: {named}")
    work = _work_folder(models, options.name)
    with Lock(work / "lock"):
        _begin(work, labelled, vocabulary, options)
        prepared = _prepare(labelled, work, options)
        _check_contents(work, prepared, options)
        # TensorFlow is loaded only now: whatever is wrong with the set is said at once.
        fitted = _fit(prepared, vocabulary, held_out, options, work)
        path = save_bundle(
            models,
            name,
            network=fitted.network,
            vocabulary=vocabulary,
            thresholds=fitted.thresholds,
            split=prepared.split_table(fitted.parts),
            metrics=fitted.metrics,
            plots=fitted.plots,
            card=lambda model_id: _card(name, model_id, vocabulary, options, fitted),
        )
        shutil.rmtree(work)
    if not os.path.lexists(models / "current"):
        set_current(models, name)
    return {
        "bundle": str(path),
        "model_id": load_bundle(path).model_id,
        "parameters": fitted.facts["parameters"],
        "pictures": {key: fitted.facts[key] for key in ("train", "tune", "test", "unreadable")},
        "best_epoch": fitted.facts["best"],
        "seconds": round(time.perf_counter() - start, 1),
        "evaluation": fitted.metrics["evaluation"],
        "calibration": fitted.metrics["calibration"],
        "held_out": list(options.hold_out_pairs),
        "unteachable": fitted.facts["unteachable"],
    }


def check(options: TrainOptions) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.CHECK`; trains nothing and leaves nothing behind."""
    import tempfile

    labelled, given = _read(options)
    vocabulary = given or labelled.vocabulary(min_pictures=options.min_pictures)  # says what is wrong with the labels
    _held_out(labelled, vocabulary, options)
    with tempfile.TemporaryDirectory(prefix="tagger-check-") as folder:
        return _prepare(labelled, Path(folder), options).check()


def train_text(result: dict[str, Any]) -> str:
    """Return the result of a training as text for a terminal."""
    from jobs.evaluate import table
    from tagger.card import number

    head = f"saved {result['bundle']} (model_id {result['model_id'][:12]}..., epoch {result['best_epoch']} kept)"
    change = "{} before calibration, {} after".format(*map(number, result["calibration"].values()))
    return f"{table(result['evaluation'])}\ncalibration error  {change}\n\n{head} in {result['seconds']:.0f} s"


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
        lines.append(f"{key.replace('_', '-')}: {len(families):,} families, {extra:,} pictures too many")
        lines += [f"  {' = '.join(family)}" for family in families[:5]]
    lines.append(f"unreadable: {len(found['unreadable']):,}")
    lines += [f"  {row['image']}: {row['status']}: {row['error']}" for row in found["unreadable"][:20]]
    return "\n".join(lines)


def _fit(
    prepared: PreparedSet, vocabulary: Vocabulary, held_out: list[PairKeys], options: TrainOptions, work: Path
) -> Concluded:
    """Fit on the train part, choose on the tune part, measure on the test part."""
    from tagger.backend import keras, tf
    from tagger.model import Architecture, build_network
    from tagger.plots import history_png
    from tagger.training import TrainingData, fit

    tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()  # operations are named by counting: the same seed then gives the same bytes
    parts = prepared.split(seed=options.seed, held_out=held_out)
    rows = {part: prepared.rows[parts == part] for part in ("train", "tune", "test")}
    targets = prepared.labelled.targets(vocabulary)
    unteachable = _check_parts(rows, targets, vocabulary, options)
    data = TrainingData(prepared.cache.pixels, targets, rows["train"], rows["tune"])
    recipe = _recipe(options)
    architecture = Architecture(**options.architecture)
    network = build_network(architecture, len(vocabulary), seed=options.seed, fitting=True)
    sizes = {part: len(of_part) for part, of_part in rows.items()}
    say(f"{network.count_params():,} parameters, {len(vocabulary)} labels; {sizes}; epochs: {recipe.epochs}")
    with Progress(recipe.epochs * max(1, len(data.train) // recipe.batch), "training", unit="step") as progress:
        history = fit(
            network,
            data,
            vocabulary,
            recipe,
            checkpoints=work / "checkpoints",
            resume=options.resume,
            report=_reporter(progress, recipe.epochs),
            epoch_done=_say_epoch,
        )
    facts = {
        **sizes,
        "unreadable": len(prepared.unreadable),
        "recipe": options.recipe,
        "epochs": recipe.epochs,
        "best": history.best + 1,
        "seed": options.seed,
        "parameters": network.count_params(),
        "unteachable": unteachable,
        "asked": _asked(options),
    }
    curves = history_png(history.epochs, best=history.best, title=os.path.basename(options.dataset))
    keras.utils.clear_session()
    plain_network = build_network(architecture, len(vocabulary), seed=options.seed)
    plain_network.set_weights(network.get_weights())
    return conclude(plain_network, data, rows["test"], vocabulary, options.min_precision, Fitted(parts, facts, curves))


def _recipe(options: TrainOptions) -> Recipe:
    recipe = Recipe.plain() if options.recipe == "plain" else Recipe()
    return replace(recipe, seed=options.seed, epochs=options.epochs or recipe.epochs)


def _asked(options: TrainOptions) -> str:
    """Return what was asked for beside the recipe, in words for the card."""
    said = [f"held out: {', '.join(options.hold_out_pairs)}"] if options.hold_out_pairs else []
    said += [f"labels of at least {options.min_pictures} pictures"] if options.min_pictures > 1 else []
    said += [f"thresholds for precision {options.min_precision:g}"] if options.min_precision else []
    return "".join(f"; {text}" for text in said)


def _held_out(labelled: LabelledSet, vocabulary: Vocabulary, options: TrainOptions) -> list[PairKeys]:
    pairs = [parse_pair(text, vocabulary) for text in options.hold_out_pairs]
    for text, pair in zip(options.hold_out_pairs, pairs, strict=True):
        if not any(pair <= example.present for example in labelled.examples):
            raise InputError(f"--hold-out-pair {text}: no picture shows it; {labelled.source} has nothing to hold out")
    return pairs


def _read(options: TrainOptions) -> tuple[LabelledSet, Vocabulary | None]:
    if options.groups and options.vocabulary:
        raise InputError("--groups and --vocabulary: give one of them; a vocabulary names its groups itself")
    if options.min_pictures > 1 and options.vocabulary:
        raise InputError("--min-pictures and --vocabulary: give one of them; a vocabulary names its labels itself")
    vocabulary = None
    if options.vocabulary:
        try:
            vocabulary = Vocabulary.from_json(
                json.loads(Path(options.vocabulary).read_text(encoding="utf-8-sig")), source=options.vocabulary
            )
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"--vocabulary {options.vocabulary!r} cannot be read: {error}") from error
    groups = parse_groups(options.groups) if options.groups else None
    labelled = read_dataset(options.dataset, groups=groups, vocabulary=vocabulary)
    if vocabulary is not None and (strange := labelled.strangers(vocabulary)):
        raise DatasetError(f"{options.dataset}: labels that the vocabulary does not have: {sorted(strange)}; add them")
    return labelled, vocabulary


def _work_folder(models: Path, name: str) -> Path:
    work = models / "_training" / name
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--models {str(models)!r} cannot be written: {error.strerror}") from error
    return work


def _begin(work: Path, labelled: LabelledSet, vocabulary: Vocabulary, options: TrainOptions) -> None:
    """Clear the traces of an earlier training, or make sure that they are of this very one."""
    said = asdict(options) | {"resume": None, "models": None, "workers": None}
    said |= {"vocabulary": vocabulary.to_json(), "recipe": asdict(_recipe(options))}
    said |= {"examples": [[e.image_id, sorted(e.present), sorted(e.known)] for e in labelled.examples]}
    fingerprint = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    note, history = work / "training.json", work / "checkpoints" / "history.json"
    if options.resume:
        if not (note.exists() and history.exists()):
            raise InputError(f"--resume: {str(work)!r} holds no interrupted training; start it without --resume")
        if json.loads(note.read_text())["fingerprint"] != fingerprint:
            raise InputError("--resume: the interrupted training had other pictures, labels or options; repeat those")
        done = len(json.loads(history.read_text())["epochs"])
        say(f"going on after epoch {done}")
    else:
        shutil.rmtree(work / "checkpoints", ignore_errors=True)
        atomic_text(note, json.dumps({"fingerprint": fingerprint}))


def _check_contents(work: Path, prepared: PreparedSet, options: TrainOptions) -> None:
    """Refuse to resume on other bytes: the split could put pictures that the weights have seen into the test part."""
    digest = hashlib.sha256("".join(prepared.digests).encode()).hexdigest()
    note = json.loads((work / "training.json").read_text())
    if options.resume and note.get("contents") != digest:
        raise InputError("--resume: pictures changed since the training was interrupted; start it without --resume")
    atomic_text(work / "training.json", json.dumps(note | {"contents": digest}))


def _prepare(labelled: LabelledSet, work: Path, options: TrainOptions) -> PreparedSet:
    size = options.architecture.get("size", 96)
    with Progress(len(labelled.examples), "decoding") as progress:
        prepared = prepare(
            labelled,
            work / "pixels",
            size=size,
            workers=options.workers or os.cpu_count() or 1,
            progress=progress.advance,
        )
    for example, facts in prepared.unreadable[:5]:
        say(f"left out: {example.image_id}: {facts.status}: {facts.error}")
    if len(prepared.unreadable) > 5:
        say(f"left out: {len(prepared.unreadable) - 5} more; --check lists them")
    return prepared


def _check_parts(
    rows: dict[str, Any], targets: Floats, vocabulary: Vocabulary, options: TrainOptions
) -> list[dict[str, Any]]:
    """Say what the training pictures cannot teach, and return the pairs among it."""
    if len(rows["train"]) < 2 or not len(rows["tune"]) or not len(rows["test"]):
        sizes = {part: len(of_part) for part, of_part in rows.items()}
        raise DatasetError(f"too few different pictures to split into train, tune and test: {sizes}; give some 20 more")
    unknown = [part for part, of_part in rows.items() if np.isnan(targets[of_part]).all()]
    if unknown:
        raise DatasetError(f"nothing is known about the pictures of the {unknown[0]} part; label more of the set")
    positives = (targets[rows["train"]] == 1).sum(axis=0)
    never = [label.key for label, n in zip(vocabulary.labels, positives, strict=True) if not n]
    if never:
        say(f"no training picture has {', '.join(never)}: the model cannot learn it")
    found = unteachable(targets[rows["train"]], vocabulary, recombines=options.recipe == "evidence")
    for pair, reason in found[:_SHOWN_PAIRS]:
        say(f"warning: these pictures cannot teach {' + '.join(pair)}: {reason}, and none shows both")
    if len(found) > _SHOWN_PAIRS:
        say(f"warning: nor {len(found) - _SHOWN_PAIRS} more pairs; the card lists them")
    return [{"pair": list(pair), "reason": reason} for pair, reason in found]


def _reporter(progress: Progress, epochs: int) -> Callable[[int, int, int, float], None]:
    def report(epoch: int, step: int, steps: int, loss: float) -> None:
        progress.advance(1, f"epoch {epoch + 1}/{epochs} loss {loss:.4f}")

    return report


def _say_epoch(epoch: int, row: dict[str, float]) -> None:
    say(
        f"epoch {epoch + 1}: loss {row['loss']:.4f}, tuning loss {row['tune_loss']:.4f}, "
        f"tuning macro AP {row['tune_macro_ap']:.4f}, {row['seconds']:.1f} s"
    )


def _card(name: str, model_id: str, vocabulary: Vocabulary, options: TrainOptions, fitted: Concluded) -> str:
    from tagger.card import model_card

    return model_card(
        name=name,
        model_id=model_id,
        vocabulary=vocabulary,
        source=os.path.basename(os.path.normpath(options.dataset)),
        facts=fitted.facts,
        thresholds=fitted.thresholds,
        metrics=fitted.metrics,
    )
