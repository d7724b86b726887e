"""Pictures scored by two models; decoded once where both read them alike."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tagger.arrays import Float32Array, Pixels
from tagger.cpus import usable_cpus
from tagger.datasets.split import SIDE
from tagger.imaging.decoder import Decoder
from tagger.imaging.file_facts import FileFacts, check_machine
from tagger.imaging.worker import CHUNK
from tagger.models.bundle import Bundle
from tagger.models.predictor import Backend, make_predictor


class BothScored(NamedTuple):
    """What two models make of n files; meaningless where a file is not ok.

    Attributes
    ----------
    facts : list of FileFacts
        Not ok where either could not read the file.
    a, b : float32 (n, n_labels)
        Logits, each in the columns of its own model.
    thumbnails : uint8 (n, SIDE, SIDE, 3)
        By which near-duplicates are found.
    """

    facts: list[FileFacts]
    a: Float32Array
    b: Float32Array
    thumbnails: Pixels


class _Pass(NamedTuple):
    """What one reading of the files gave: facts, logits of each model, thumbnails."""

    facts: list[FileFacts]
    logits: list[Float32Array]
    thumbnails: Pixels


def score_with_both(
    a: Bundle,
    b: Bundle,
    paths: Sequence[str],
    *,
    backend: Backend,
    progress: Callable[[int], object],
) -> BothScored:
    """Return what both models make of files.

    `progress` is called with the number of files just done, 2 times n in all.

    Raises
    ------
    MachineFault
        If the machine kept a file from being read.
    """
    if a.reading == b.reading:
        found = _read([a, b], paths, backend, lambda n: progress(2 * n))
        first, second = found.logits
        return BothScored(found.facts, first, second, found.thumbnails)
    ours = _read([a], paths, backend, progress)
    theirs = _read([b], paths, backend, progress)
    facts = [_worse(*both) for both in zip(ours.facts, theirs.facts, strict=True)]
    return BothScored(facts, ours.logits[0], theirs.logits[0], ours.thumbnails)


def _read(
    bundles: Sequence[Bundle],
    paths: Sequence[str],
    backend: Backend,
    progress: Callable[[int], object],
) -> _Pass:
    """Return what models that read files alike make of them."""
    predictors = [make_predictor(each, backend, pictures=len(paths)) for each in bundles]
    facts: list[FileFacts] = []
    logits = [np.zeros((len(paths), len(each.vocabulary)), np.float32) for each in bundles]
    thumbnails = np.zeros((len(paths), SIDE, SIDE, 3), np.uint8)
    workers = max(1, min(usable_cpus(), -(-len(paths) // CHUNK)))
    with Decoder(bundles[0].reading, workers=workers) as decoder:
        for chunk in decoder.decode_files(paths):
            here = slice(len(facts), len(facts) + len(chunk.facts))
            check_machine(paths[here], chunk.facts)
            for mine, predictor in zip(logits, predictors, strict=True):
                mine[here] = predictor.infer(chunk.pixels).logits
            thumbnails[here] = [_thumbnail(pixels) for pixels in chunk.pixels]
            facts.extend(chunk.facts)
            progress(len(chunk.facts))
    return _Pass(facts, logits, thumbnails)


def _thumbnail(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _worse(ours: FileFacts, theirs: FileFacts) -> FileFacts:
    """Return what both readings of a file say of it: ok if both are, of the same bytes."""
    if ours.status != "ok":
        return ours
    if theirs.status == "ok" and theirs.content_sha256 != ours.content_sha256:
        return FileFacts("unreadable", "it was written to meanwhile")
    return theirs
