"""Nights in small: many buckets, parts, partitions and units in a small catalog, buckets that are
split as it grows, and a log of what is scored.

Imported by the night's own process too, so nothing heavy is loaded here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

BUCKETS = 3
UNIT = 130
"""Small, so that a small catalog has many units; larger than two batches, as the real one is."""

PICTURES = 60
HELD = 200


@contextmanager
def small_nights(scored: Path) -> Iterator[None]:
    """Make buckets, partitions and units small, and write to `scored` which contents go through the
    network."""
    from tagger.index import buckets, plan, spill
    from tagger.nightly import inference

    infer = inference.Inference._infer

    def infer_and_log(self: Any) -> None:
        batch = self._batch[: inference.CHUNK]
        infer(self)
        with open(scored, "a") as log:
            log.write("".join(chunk.facts[i].content_sha256 + "\n" for chunk, i, _ in batch))

    with (
        mock.patch.object(buckets, "bucket_count", return_value=BUCKETS),
        mock.patch.object(buckets, "PICTURES", PICTURES),
        mock.patch.object(spill, "HELD", HELD),
        mock.patch.object(plan, "UNIT", UNIT),
        mock.patch.object(inference.Inference, "_infer", infer_and_log),
    ):
        yield
