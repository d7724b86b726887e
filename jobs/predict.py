"""Scores and answers of single pictures, and a copy of each with them drawn below."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tagger.errors import InputError
from tagger.evaluation.plots import overlay, png
from tagger.imaging.decoder import Decoder
from tagger.imaging.preprocessing import Reading
from tagger.labels.views import stored_scores, tag_matrix, view
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.file_scoring import score_files
from tagger.models.predictor import Backend

_OVERLAY_SIDE = 480


def predict(
    model: str, images: Sequence[str], *, overlays: str | None = None, backend: Backend = "auto"
) -> list[dict[str, Any]]:
    """Return one object per picture, as declared in `schemas.reports.PREDICTION`.

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
    results = []
    for image, fact, z in zip(images, facts, logits, strict=True):
        result: dict[str, Any] = {"image": image, "status": fact.status, "error": fact.error}
        good = fact.status == "ok"
        answers = _answers(bundle, z) if good else {"scores": {}, "answers": {}, "tags": []}
        results.append(result | answers | {"overlay": None})
    if overlays is not None:
        _draw(results, Path(overlays))
    return results


def lines(result: dict[str, Any]) -> list[str]:
    """Return what a person wants to read of one prediction."""
    if result["status"] != "ok":
        return [f"{result['status']}: {result['error']}"]
    text = [
        f"{group}: {answer['label'] or 'none'} {answer['score'] or ''}".rstrip()
        for group, answer in result["answers"].items()
    ]
    text.append("tags: " + (", ".join(result["tags"]) or "none"))
    ranked = sorted(result["scores"].items(), key=lambda item: -item[1])
    return text + [f"  {label:24} {score:.4f}" for label, score in ranked]


def _answers(bundle: Bundle, logits: Any) -> dict[str, Any]:
    vocabulary, z = bundle.vocabulary, np.asarray(logits)[None]
    names = [label.name for label in vocabulary.labels]
    answers = {}
    for group in vocabulary.exclusive_groups:
        answer = view(z, bundle.thresholds, vocabulary.members(group.name))
        none = answer.answer[0] < 0
        score = None if none else float(answer.probability[0])
        answers[group.name] = {"label": None if none else names[answer.answer[0]], "score": score}
    tags = tag_matrix(z, bundle.thresholds, vocabulary)[0]
    scores = stored_scores(z)[0]
    return {
        "scores": {
            label.key: float(score) for label, score in zip(vocabulary.labels, scores, strict=True)
        },
        "answers": answers,
        "tags": [name for name, tag in zip(names, tags, strict=True) if tag],
    }


def _draw(results: list[dict[str, Any]], folder: Path) -> None:
    import cv2

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--overlay {str(folder)!r} cannot be written: {error.strerror}"
        ) from error
    with Decoder(Reading(_OVERLAY_SIDE), workers=1) as decoder:
        for result in results:
            if result["status"] != "ok":
                continue
            (chunk,) = decoder.decode([(None, [result["image"]])])
            facts = chunk.facts[0]
            # The decoder squashes to a square, as the network sees it; people want the shape back.
            width, height = facts.width or 1, facts.height or 1
            scale = _OVERLAY_SIDE / max(width, height)
            shape = (max(1, round(width * scale)), max(1, round(height * scale)))
            pixels = cv2.resize(chunk.pixels[0], shape, interpolation=cv2.INTER_AREA).astype(
                np.uint8
            )
            target = _free_name(folder, result["image"])
            try:
                target.write_bytes(png(overlay(pixels, lines(result))))
            except OSError as error:
                raise InputError(
                    f"--overlay {str(folder)!r} cannot be written: {error.strerror}"
                ) from error
            result["overlay"] = str(target)


def _free_name(folder: Path, image: str) -> Path:
    stem, k = Path(image).stem, 1
    target = folder / f"{stem}.png"
    while target.exists():
        k += 1
        target = folder / f"{stem}-{k}.png"
    return target
