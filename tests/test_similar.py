"""Similar pictures: the nearest by features, exact, each content once, and a sheet to look at."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import settle
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.similar import similar, similar_text
from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.nightly import SimilarReport
from schemas.record import parse
from tagger.errors import InputError, StoreError
from tagger.index.neighbours import nearest


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 5), st.integers(0, 999))
def test_the_nearest_are_those_of_a_search_over_everything_at_once(
    n: int, top: int, blocks: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(0, 1, (n, 8)).astype(np.float16)
    contents = [f"{i:03}" for i in range(n)]
    question = random.normal(0, 1, 8).astype(np.float32)
    parts = np.array_split(np.arange(n), blocks)
    dealt = [([contents[i] for i in part], features[part]) for part in parts if len(part)]
    dealt.append(dealt[0])  # a content may come twice
    found = nearest(question, dealt, top, but="000")
    exact = features.astype(np.float64)
    cosine = exact @ question / np.linalg.norm(exact, axis=1) / np.linalg.norm(question)
    expected = sorted(range(1, n), key=lambda i: -cosine[i])[:top]
    assert [each.similarity for each in found] == pytest.approx(
        [cosine[i] for i in expected], abs=2e-4
    )
    assert len({each.content_sha256 for each in found}) == len(found)


def test_a_picture_finds_its_copies_and_look_alikes_and_draws_them(
    catalog: Path, bundle_path: Path, tmp_path: Path, tagger: Any
) -> None:
    one = next(path for path in sorted(catalog.rglob("*.jpg")) if path.stat().st_size > 5000)
    shutil.copy(one, catalog / "copy.jpg")
    asked = tmp_path / "asked.jpg"
    cv2.imwrite(str(asked), cv2.imread(str(one)), [cv2.IMWRITE_JPEG_QUALITY, 70])
    settle(catalog)
    index = tmp_path / "index"
    tag_catalog(
        TagOptions(str(catalog), str(bundle_path), str(index), features=True, max_error_rate=1)
    )
    ran = tagger("similar", index, asked, "--top", 5, "--sheet", tmp_path / "sheet.png", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert set(report) == set(SimilarReport.__struct_fields__)
    first = report["found"][0]
    assert first["similarity"] > 0.95
    assert sorted(first["same"]) == sorted(["copy.jpg", str(one.relative_to(catalog))])
    assert len(report["found"]) == 5
    likeness = [row["similarity"] for row in report["found"]]
    assert likeness == sorted(likeness, reverse=True)
    assert "1 more with the same bytes" in similar_text(parse(ran.stdout, SimilarReport))
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] > 7 * 160
    inside = similar(str(index), str(one), top=3)
    assert all(str(one.relative_to(catalog)) not in row.same for row in inside.found)


def test_without_features_it_says_how_to_get_some(
    catalog: Path, bundle_path: Path, tmp_path: Path
) -> None:
    picture = str(next(catalog.rglob("*.jpg")))
    with pytest.raises(StoreError, match="no snapshot"):
        similar(str(tmp_path / "none"), picture, top=3)
    index = tmp_path / "index"
    tag_catalog(TagOptions(str(catalog), str(bundle_path), str(index), max_error_rate=1))
    with pytest.raises(StoreError, match="--features"):
        similar(str(index), picture, top=3)
    with pytest.raises(InputError, match="--full"):
        similar(str(index), picture, top=3, model=str(bundle_path))
    with pytest.raises(InputError, match="no such file"):
        similar(str(index), picture + "x", top=3)
