"""The demo, on a small scale, and its sample."""

from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, eager
from pages import queries

import jobs.demo
from tagger.datasets.sample import COLORS, GARMENTS, UNSEEN, Sample
from tagger.imaging.picture_error import PictureError
from tagger.imaging.preprocessing import Reading
from tagger.imaging.reader import read_picture

pytestmark = pytest.mark.tensorflow


def test_the_sample_has_every_pair_but_one_and_the_catalog_has_that_too(sample: Sample) -> None:
    folders = {path.name for path in sample.labelled.iterdir()}
    assert folders == {f"{c}_{g}" for c in COLORS for g in GARMENTS if (c, g) != UNSEEN}
    assert UNSEEN in sample.truth.values()


def test_turned_pictures_are_upright_once_read(sample: Sample) -> None:
    turned = 0
    from PIL import Image

    for path in sample.catalog.rglob("*.jpg"):
        try:
            with Image.open(path) as image:
                orientation = image.getexif().get(274, 1)
        except OSError:
            continue
        if orientation != 1:
            picture = read_picture(path.read_bytes(), Reading(64))
            assert picture.height > picture.width
            turned += 1
    assert turned >= 3


def test_the_spoilt_files_cannot_be_read(sample: Sample) -> None:
    spoilt = [
        path for path in (sample.catalog / "2026" / "incoming").iterdir() if path.suffix != ".txt"
    ]
    assert len(spoilt) == 5
    for path in spoilt:
        with pytest.raises(PictureError):
            read_picture(path.read_bytes(), Reading(32))


def test_the_demo_trains_tags_asks_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.demo.demo(str(tmp_path / "demo"), labelled=88, catalog=36, epochs=1, architecture=TINY)
    said = capsys.readouterr().out
    table_read = 'skus = pd.read_csv("skus.csv")  # sku, image_id\n'  # the demo has it already
    elsewhere = ("The first one in DuckDB", "What persons [corrected](REVIEW.md)")
    shown = {title: code for title, code in queries().items() if title not in elsewhere}
    assert len(shown) == 6
    for title, code in shown.items():
        assert f"# {title}\n{code.removeprefix(table_read)}" in said
    assert "half-upload.jpg" in said
    assert "tagger review " in said
    assert "both answers right" in said
    import cv2

    sheet = cv2.imread(str(tmp_path / "demo" / "contact-sheet.png"))
    assert sheet.shape[1] > 1000
    assert len(np.unique(sheet)) > 100
    with eager():  # again, same place
        jobs.demo.demo(str(tmp_path / "demo"), labelled=88, catalog=36, epochs=1, architecture=TINY)
