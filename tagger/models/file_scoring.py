"""Scoring single files outside the nightly job: decoded in a worker, like everything else."""

from collections.abc import Callable, Sequence

import numpy as np

from tagger.arrays import Float32Array
from tagger.cpus import usable_cpus
from tagger.imaging.decoder import Decoder
from tagger.imaging.worker import CHUNK, FileFacts, check_machine
from tagger.models.bundle import Bundle
from tagger.models.predictor import Backend, Inferred, make_predictor


def infer_files(
    bundle: Bundle,
    paths: Sequence[str],
    *,
    backend: Backend = "auto",
    progress: Callable[[int], object] = lambda _: None,
) -> tuple[list[FileFacts], Inferred]:
    """Return the facts of each file, and its logits and features, meaningless where a file is not
    ok.

    Raises
    ------
    MachineFault
        If the machine kept a file from being read.
    """
    predictor = make_predictor(bundle, backend, pictures=len(paths))
    facts: list[FileFacts] = []
    found = [
        Inferred(
            np.zeros((0, len(bundle.vocabulary)), np.float32),
            np.zeros((0, bundle.width), np.float32),
        )
    ]
    workers = max(1, min(usable_cpus(), -(-len(paths) // CHUNK)))
    with Decoder(bundle.reading, workers=workers) as decoder:
        chunks = ((None, list(paths[at : at + CHUNK])) for at in range(0, len(paths), CHUNK))
        for chunk in decoder.decode(chunks):
            check_machine(paths[len(facts) :], chunk.facts)
            facts.extend(chunk.facts)
            found.append(predictor.infer(chunk.pixels))
            progress(len(chunk.facts))
    logits, features = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return facts, Inferred(logits, features)


def score_files(
    bundle: Bundle,
    paths: Sequence[str],
    *,
    backend: Backend = "auto",
    progress: Callable[[int], object] = lambda _: None,
) -> tuple[list[FileFacts], Float32Array]:
    """Return the facts of each file and float32 (n, n_labels) logits, meaningless where a file is
    not ok."""
    facts, inferred = infer_files(bundle, paths, backend=backend, progress=progress)
    return facts, inferred.logits
