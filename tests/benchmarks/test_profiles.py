"""Colors in other color spaces: the same photographs as sRGB, as Display P3 and as CMYK, each with
its profile.

`make accuracy`; skipped without the pictures. What CMYK cannot hold is lost before anything reads
it: it is held to the same pictures turned back into sRGB by libvips.
"""

import os
from pathlib import Path

import pandas as pd
import pytest
import pyvips
from test_accuracy import say

from jobs.tag_catalog import TagOptions, tag_catalog

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]

WITHIN = 0.5
"""Points of sRGB."""


def write_catalog(source: Path, catalog: Path, first: int, last: int) -> None:
    """Write each photograph of some in every folder four times."""
    for folder in sorted(source.iterdir()):
        for path in sorted(folder.iterdir())[first:last]:
            image = pyvips.Image.new_from_file(str(path))
            if image.bands != 3:
                continue
            inks = image.icc_transform("cmyk", input_profile="srgb", embedded=False)
            back = inks.icc_transform("srgb", embedded=True, black_point_compensation=True)
            name = f"{folder.name}__{path.stem[:6]}"
            image.jpegsave(f"{catalog}/{name}_srgb.jpg", Q=95)
            wide = image.icc_transform("p3", input_profile="srgb", embedded=False)
            wide.jpegsave(f"{catalog}/{name}_p3.jpg", Q=95, profile="p3")
            inks.jpegsave(f"{catalog}/{name}_cmyk.jpg", Q=95, profile="cmyk")
            back.jpegsave(f"{catalog}/{name}_back.jpg", Q=95)


@pytest.mark.parametrize(("first", "last"), [(20, 32), (44, 74)])
def test_colors_are_answered_as_well_in_other_color_spaces(
    shared: Path, tmp_path: Path, first: int, last: int
) -> None:
    (tmp_path / "catalog").mkdir()
    write_catalog(shared / "apparel", tmp_path / "catalog", first, last)
    tag_catalog(TagOptions(str(tmp_path / "catalog"), None, str(tmp_path / "index")))
    rows = pd.read_parquet(
        os.path.realpath(tmp_path / "index" / "current"), columns=["image_id", "color"]
    )
    rows[["key", "kind"]] = (
        rows["image_id"].str.removesuffix(".jpg").str.rsplit("_", n=1, expand=True)
    )
    answers = rows.pivot_table(
        index="key", columns="kind", values="color", aggfunc="first", dropna=False
    )
    labelled = answers.index.str.split("_").str[0]
    right = {kind: round(100 * float((answers[kind] == labelled).mean()), 2) for kind in answers}
    say(f"{len(answers)} photographs, color as labelled", right)
    assert right["p3"] >= right["srgb"] - WITHIN
    assert right["cmyk"] >= right["back"] - WITHIN
