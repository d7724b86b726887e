"""An index of two nights by two models: what a report and a comparison tell of."""

import os
from pathlib import Path

from conftest import current_rows, jpeg, settle, textured
from saying import say

from jobs.tag_catalog import TagOptions, tag_catalog
from tagger.datasets.sample import Sample
from tagger.models.starter import STARTER


def two_models_nights(options: TagOptions, sample: Sample) -> tuple[TagOptions, str, str]:
    """Run a night, correct and change pictures, and run one with the starter.

    Returns the options of the second, the snapshot of the first, and the index.
    """
    tag_catalog(options)
    catalog, index = Path(options.catalog), Path(options.index)
    first = os.path.realpath(index / "current" / "..")
    rows = current_rows(options)
    for image_id, row in rows[rows["status"] == "ok"].head(12).iterrows():
        truth = sample.truth.get(str(image_id))
        if truth is not None:
            say(index, row["content_sha256"], "color", label=truth[0], image_id=str(image_id))
    ids = sorted(rows[rows["status"] == "ok"].index)
    (catalog / ids[-1]).unlink()
    (catalog / ids[-2]).write_bytes(jpeg(textured(40, 40, seed=1)))
    (catalog / "new.jpg").write_bytes(jpeg(textured(40, 40, seed=2)))
    settle(catalog)
    os.utime(catalog / ids[-2], (1.6e9, 1.6e9))
    again = TagOptions(
        options.catalog,
        str(STARTER),
        options.index,
        workers=1,
        replace_columns=True,
        max_error_rate=1,
    )
    tag_catalog(again)
    return again, first, options.index
