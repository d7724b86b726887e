"""Scoring single files outside the nightly job: decoded in a worker, like everything else."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tagger.arrays import Float32Array
from tagger.cpus import usable_cpus
from tagger.imaging.decoder import Decoder
from tagger.imaging.file_facts import FileFacts, check_machine
from tagger.imaging.worker import CHUNK
from tagger.models.bundle import Bundle
from tagger.models.inferred import Inferred, Predictor
from tagger.models.predictor import Backend, make_predictor


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
        for some, inferred in read_and_infer(predictor, decoder, paths):
            facts.extend(some)
            found.append(inferred)
            progress(len(some))
    logits, features = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return facts, Inferred(logits, features)


def read_and_infer(
    predictor: Predictor, decoder: Decoder, paths: Sequence[str]
) -> Iterator[tuple[list[FileFacts], Inferred]]:
    """Yield facts of files and what the network makes of them, some at a time, in order.

    Raises
    ------
    MachineFault
        If the machine kept a file from being read.
    """
    done = 0
    for chunk in decoder.decode_files(paths):
        check_machine(paths[done:], chunk.facts)
        done += len(chunk.facts)
        yield chunk.facts, predictor.infer(chunk.pixels)


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
