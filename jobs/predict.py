"""Scores and answers of single pictures, and a copy of each with them drawn below."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from msgspec.structs import replace

from schemas.models import Answer, Prediction, PredictReport
from tagger.arrays import Float32Array, Pixels
from tagger.errors import InputError
from tagger.evaluation.plots import overlay, png
from tagger.imaging.decoder import Decoder
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.preprocessing import Reading
from tagger.labels.views import stored_scores, tag_matrix, view
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.file_scoring import score_files
from tagger.models.predictor import Backend

_OVERLAY_SIDE = 480


def predict(
    model: str, images: Sequence[str], *, overlays: str | None = None, backend: Backend = "auto"
) -> PredictReport:
    """Return what the model says of each picture.

    Parameters
    ----------
    overlays : str, optional
        A folder for copies of the pictures with that below them.

    Raises
    ------
    InputError
        If a picture does not exist, or the overlays cannot be written.
    """
    bundle = load_bundle(model)
    for image in images:
        if not os.path.isfile(image):
            kind = "it is no regular file" if os.path.exists(image) else "there is no such file"
            raise InputError(f"image {image!r}: {kind}")
    facts, logits = score_files(bundle, images, backend=backend)
    predictions = [
        _prediction(bundle, image, fact, z)
        for image, fact, z in zip(images, facts, logits, strict=True)
    ]
    if overlays is not None:
        predictions = _drawn(predictions, Path(overlays))
    return PredictReport(predictions=predictions)


def report_text(report: PredictReport) -> str:
    """Return the report as text for a terminal."""
    return "\n".join("\n".join([one.image, *lines(one)]) for one in report.predictions)


def lines(prediction: Prediction) -> list[str]:
    """Return what a person wants to read of one prediction."""
    if prediction.status != "ok":
        return [f"{prediction.status}: {prediction.error}"]
    text = [
        f"{group}: {answer.label or 'none'} {answer.score or ''}".rstrip()
        for group, answer in prediction.answers.items()
    ]
    text.append("tags: " + (", ".join(prediction.tags) or "none"))
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])
    return text + [f"  {label:24} {score:.4f}" for label, score in ranked]


def _prediction(bundle: Bundle, image: str, fact: FileFacts, logits: Float32Array) -> Prediction:
    """Return what the model says of one picture, whose logits are float32 (n_labels,)."""
    unread = Prediction(
        image=image,
        status=fact.status,
        error=fact.error,
        scores={},
        answers={},
        tags=[],
        overlay=None,
    )
    if fact.status != "ok":
        return unread
    z = logits[None]  # (1, n_labels)
    vocabulary = bundle.vocabulary
    keys = [label.key for label in vocabulary.labels]
    scores = stored_scores(z)[0].tolist()
    tagged = tag_matrix(z, bundle.thresholds, vocabulary)[0]  # (n_labels,)
    return replace(
        unread,
        scores=dict(zip(keys, scores, strict=True)),
        answers={
            group.name: _answer(bundle, z, vocabulary.members(group.name))
            for group in vocabulary.exclusive_groups
        },
        tags=[vocabulary.labels[i].name for i in np.flatnonzero(tagged)],
    )


def _answer(bundle: Bundle, logits: Float32Array, members: list[int]) -> Answer:
    """Return what the group of these columns answers to logits (1, n_labels)."""
    answer = view(logits, bundle.thresholds, members)
    column = int(answer.answer[0])
    if column < 0:
        return Answer(label=None, score=None)
    return Answer(label=bundle.vocabulary.labels[column].name, score=float(answer.probability[0]))


def _drawn(predictions: Sequence[Prediction], folder: Path) -> list[Prediction]:
    """Return the predictions with the paths of their overlays, which are written."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Decoder(Reading(_OVERLAY_SIDE), workers=1) as decoder:
        return [
            replace(one, overlay=_draw(one, folder, decoder)) if one.status == "ok" else one
            for one in predictions
        ]


def _draw(prediction: Prediction, folder: Path, decoder: Decoder) -> str:
    """Return the path of a copy of the picture with the prediction below it."""
    (chunk,) = decoder.decode([(None, [prediction.image])])
    pixels = _in_shape(chunk.pixels[0], chunk.facts[0])
    target = _free_name(folder, prediction.image)
    with _writing(folder):
        target.write_bytes(png(overlay(pixels, lines(prediction))))
    return str(target)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"--overlay {str(folder)!r} cannot be written: {error.strerror}"
        ) from error


def _in_shape(pixels: Pixels, fact: FileFacts) -> Pixels:
    """Return the picture in the shape of its file.

    The decoder squashes to a square, as the network sees it; people want the shape back.
    """
    width = fact.width or 1
    height = fact.height or 1
    scale = _OVERLAY_SIDE / max(width, height)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _free_name(folder: Path, image: str) -> Path:
    stem = Path(image).stem
    k = 1
    target = folder / f"{stem}.png"
    while target.exists():
        k += 1
        target = folder / f"{stem}-{k}.png"
    return target
