"""Pictures of an index that look like a given one, by the features that `tagger tag --features`
keeps."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.nightly import SimilarPicture, SimilarReport
from tagger.arrays import Float16Array, Pixels
from tagger.catalog import absolute_path
from tagger.digests import DigestKeys, are_in, raw_keys, sorted_keys
from tagger.errors import InputError, StoreError
from tagger.evaluation.plots import contact_sheet, png
from tagger.files import atomic_bytes
from tagger.imaging.decoder import Decoder
from tagger.imaging.preprocessing import Reading
from tagger.imaging.worker import CHUNK
from tagger.index.features import FeatureStore
from tagger.index.neighbours import Neighbour, nearest
from tagger.index.snapshots import Snapshot
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
    store = store_of.features(bundle.features_id, bundle.width)
    if not store.exists():
        raise InputError(
            f"index {index!r} has no features of the model {bundle.name}; tag with it and "
            "--features, and --full for pictures that have scores already"
        )
    facts, inferred = infer_files(bundle, [image], backend="openvino")  # as those that are kept
    if facts[0].status != "ok":
        raise InputError(f"image {image!r}: {facts[0].status}: {facts[0].error}")
    rows = _rows(snapshot)
    there = sorted_keys(np.unique(raw_keys(rows["content_sha256"]), axis=0))
    blocks = _blocks_of(store, there)
    neighbours = nearest(inferred.features[0], blocks, top, but=facts[0].content_sha256)
    found = _found(neighbours, rows, snapshot.manifest.groups)
    if sheet is not None:
        _draw(snapshot.manifest.catalog, image, found, Path(sheet))
    return SimilarReport(
        index=index,
        image=image,
        model=bundle.name,
        found=found,
        searched=store.count(there),
        contents=len(there),
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


def _found(
    neighbours: Sequence[Neighbour], rows: pa.Table, groups: Sequence[str]
) -> list[SimilarPicture]:
    """Return the rows of these contents, in their order."""
    wanted = pa.array([neighbour.content_sha256 for neighbour in neighbours], pa.string())
    of_content: dict[str, list[dict[str, str | None]]] = {}
    for row in rows.filter(pc.is_in(rows["content_sha256"], value_set=wanted)).to_pylist():
        of_content.setdefault(row["content_sha256"], []).append(row)
    found = []
    for neighbour in neighbours:
        here = of_content[neighbour.content_sha256]
        images = [str(row["image_id"]) for row in here]
        found.append(
            SimilarPicture(
                image_id=images[0],
                similarity=neighbour.similarity,
                answers={group: here[0][group] for group in groups},
                same=images,
            )
        )
    return found


def _rows(snapshot: Snapshot) -> pa.Table:
    """Return image_id, content and answers of all rows that have scores."""
    columns = ["image_id", "status", "content_sha256", *snapshot.manifest.groups]
    rows = pa.concat_tables([snapshot.read(part.file, columns) for part in snapshot.manifest.parts])
    return rows.filter(pc.equal(rows["status"], "ok")).sort_by("image_id")


def _blocks_of(store: FeatureStore, there: DigestKeys) -> Iterator[tuple[list[str], Float16Array]]:
    """Yield the stored contents that the index still has, and their features."""
    for contents, features in store.blocks():
        kept = are_in(raw_keys(contents), there)
        if kept.any():
            yield contents.filter(pa.array(kept)).to_pylist(), features[kept]


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
        for chunk in decoder.decode(
            (None, paths[at : at + CHUNK]) for at in range(0, len(paths), CHUNK)
        ):
            pictures.extend(np.array(pixels) for pixels in chunk.pixels[: len(chunk.facts)])
    drawn = contact_sheet(
        [(p, words) for p, (_, words) in zip(pictures, tiles, strict=True)], columns=7
    )
    try:
        atomic_bytes(path, png(np.asarray(drawn, np.uint8)))
    except (OSError, cv2.error) as error:
        raise InputError(f"--sheet {str(path)!r} cannot be written: {error}") from error
