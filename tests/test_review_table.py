"""A night in memory: what it shows, and what it finds."""

from pathlib import Path

import pytest
from conftest import current_rows

from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.review import Wanted
from tagger.index.store import Index
from tagger.review.table import NightTable


def opened(index: str | Path) -> NightTable:
    store = Index(index)
    snapshot = store.current()
    assert snapshot is not None
    return NightTable.load(store, snapshot)


def test_everything_is_found_by_path(options: TagOptions) -> None:
    tag_catalog(options)
    table = opened(options.index)
    rows = current_rows(options)
    found = table.find(Wanted(), 0, 1000)
    assert found.total == len(rows) == table.rows
    assert [picture.image_id for picture in found.pictures] == list(rows.index)
    for p in found.pictures[:3]:
        print(p)
    print(table.detail(found.pictures[0].image_id))
    print(table.groups, table.statuses)
