"""What a report says of failed pictures of a night that changed many."""

import hashlib
from pathlib import Path

import pytest
from made_nights import MODEL, MadeNight, row_labels

from schemas.index import CHANGES_FILE
from tagger.report.night import read_night


@pytest.mark.parametrize("changed", [1, 2, 10])
def test_new_failures_are_those_that_the_night_changed_however_much_it_changed(
    tmp_path: Path, changed: int
) -> None:
    index = MadeNight(
        n=600,
        image_id="{}.jpg".format,
        content=lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        models={MODEL: row_labels({"color": ["red", "blue"]}, 0.2)},
        exclusive=["color"],
        broken=0.1,
        changed=changed,
    ).publish(tmp_path / "index")
    snapshot = index.current()
    assert snapshot is not None
    upserted = set(snapshot.read(CHANGES_FILE)["image_id"].to_pylist())
    broken = {
        row["image_id"]
        for part in snapshot.manifest.parts
        for row in snapshot.read(part.file).to_pylist()
        if row["status"] != "ok"
    }
    (failed,) = read_night(snapshot).failed
    assert failed.rows == len(broken)
    assert failed.tonight == len(broken & upserted)
    assert all(is_new == (name in upserted) for name, _, is_new in failed.first)
