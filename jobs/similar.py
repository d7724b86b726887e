"""Pictures of an index that look like a given one.

By the features that `tagger tag --features` keeps.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from schemas.nightly import SimilarPicture, SimilarReport
from tagger.arrays import Pixels
from tagger.catalog import absolute_path
from tagger.errors import InputError, StoreError
from tagger.evaluation.plots import contact_sheet, png
from tagger.files import atomic_bytes
from tagger.imaging.decoder import Decoder
from tagger.imaging.preprocessing import Reading
from tagger.index.look_alikes import Gallery
from tagger.index.store import Index
from tagger.models.bundle import load_bundle
from tagger.models.file_scoring import infer_files

_TILE_SIDE = 160


def similar(
    index: str, image: str, *, top: int, model: str | None = None, sheet: str | None = None
) -> SimilarReport:
    """Return the pictures of an index that are most like a given one.

    Parameters
    ----------
    model : str, optional
        The bundle whose features are compared; by default the one that last wrote features, where
        it lay then.
    sheet : str, optional
        A PNG to write: the picture and what was found.

    Raises
    ------
    InputError
        If there is no such picture, it cannot be read, or the index has no features of the model.
    """
    if not os.path.isfile(image):
        raise InputError(f"image {image!r}: there is no such file")
    store_of = Index(index)
    snapshot = store_of.current()
    if snapshot is None:
        raise StoreError(f"index {index!r} has no snapshot; run 'tagger tag' first")
    bundle = load_bundle(model or store_of.featured_model())
    gallery = Gallery(store_of, snapshot, bundle)
    facts, inferred = infer_files(bundle, [image], backend="openvino")  # as those that are kept
    if facts[0].status != "ok":
        raise InputError(f"image {image!r}: {facts[0].status}: {facts[0].error}")
    found = gallery.like(inferred.features[0], top, but=facts[0].content_sha256)
    if sheet is not None:
        _draw(snapshot.manifest.catalog, image, found, Path(sheet))
    return SimilarReport(
        index=index,
        image=image,
        model=bundle.name,
        found=found,
        searched=gallery.searched,
        contents=gallery.contents,
        sheet=sheet,
    )


def similar_text(report: SimilarReport) -> str:
    """Return what was found as text for a terminal."""
    lines = [_line(result) for result in report.found]
    if report.searched < report.contents:
        lines.append(
            f"searched {report.searched:,} of {report.contents:,} pictures: the others have no "
            "features yet"
        )
    return "\n".join(lines or ["nothing is like it: the index has no other picture with features"])


def _line(result: SimilarPicture) -> str:
    answers = ", ".join(f"{group}: {label or 'none'}" for group, label in result.answers.items())
    others = len(result.same) - 1
    more = f"  (and {others} more with the same bytes)" if others else ""
    return f"{result.similarity:.4f}  {result.image_id}  {answers}{more}"


def _draw(catalog: str, image: str, results: Sequence[SimilarPicture], path: Path) -> None:
    tiles = [(image, ["asked"])]
    for result in results:
        answers = " ".join(label or "none" for label in result.answers.values())
        name = os.path.basename(result.image_id)[:24]
        where = absolute_path(catalog, result.image_id)
        tiles.append((where, [f"{result.similarity:.3f} {answers}", name]))
    pictures: list[Pixels] = []
    paths = [where for where, _ in tiles]
    with Decoder(Reading(_TILE_SIDE), workers=1) as decoder:
        for chunk in decoder.decode_files(paths):
            pictures.extend(np.array(pixels) for pixels in chunk.pixels[: len(chunk.facts)])
    captions = [words for _, words in tiles]
    drawn = contact_sheet(list(zip(pictures, captions, strict=True)), columns=7)
    try:
        atomic_bytes(path, png(np.asarray(drawn, np.uint8)))
    except (OSError, cv2.error) as error:
        raise InputError(f"--sheet {str(path)!r} cannot be written: {error}") from error
