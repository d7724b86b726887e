"""What hangs on a table of PostgreSQL when it is built anew: leave to read it, views, keys; and odd
names and long paths in every engine."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from conftest import in_this_process
from engines import EngineSeen, engines, expected, key
from made_nights import MODEL, MadeNight, next_night
from refusing import (
    LABELS,
    NAMES,
    differences,
    first_index,
    index,
    made_index,
    named,
    refused_or_said,
)

from jobs.sync import SyncOptions, sync

__all__ = ["engines", "first_index", "index", "key"]  # fixtures


def test_leave_to_read_a_table_stays_when_it_is_built_anew(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    seen = named(engines["postgresql"], "granted")
    options = SyncOptions(str(index), to=seen.to, anew=True)
    sync(options)
    for role in ("shop", '"Odd ""role"""'):
        seen.ask(f"CREATE ROLE {role}")
    seen.ask("GRANT SELECT ON granted TO shop WITH GRANT OPTION")
    seen.ask('GRANT SELECT, UPDATE ON granted TO "Odd ""role"""')
    seen.ask("GRANT SELECT ON granted TO PUBLIC")
    seen.ask("CREATE ROLE part")
    seen.ask("GRANT SELECT (path, tags) ON granted TO part")
    question = "SELECT unnest(relacl)::text FROM pg_class WHERE relname = 'granted' ORDER BY 1"
    of_columns = (
        "SELECT attname, attacl::text FROM pg_attribute WHERE attrelid = 'granted'::regclass "
        "AND attacl IS NOT NULL ORDER BY 1"
    )
    before = seen.ask(question)[1], seen.ask(of_columns)[1]
    sync(options)
    assert (seen.ask(question)[1], seen.ask(of_columns)[1]) == before
    assert len(before[1]) == 2


def test_a_view_on_a_table_goes_on_where_the_fields_stay(
    index: Path, tmp_path: Path, engines: dict[str, EngineSeen]
) -> None:
    seen = named(engines["postgresql"], "viewed")
    options = SyncOptions(str(index), to=seen.to, anew=True)
    sync(options)
    seen.ask("CREATE VIEW red_ones AS SELECT id FROM viewed WHERE color = 'red'")
    seen.ask("CREATE MATERIALIZED VIEW all_ones AS SELECT id FROM viewed")
    next_night(index, every=2)
    sync(options)
    documents = seen.documents()
    assert documents == expected(options)
    red = {at for at, one in documents.items() if one.get("color") == "red"}
    assert {row[0] for row in seen.ask("TABLE red_ones")[1]} == red
    made_index(tmp_path, 90, LABELS | {"season": ["summer"]})
    for _ in range(2):
        line = refused_or_said("sync", index, "--to", seen.to)
        assert "the documents have other fields now" in line
        assert "drop it" in line
        assert seen.documents() == documents
    seen.ask("DROP VIEW red_ones")
    seen.ask("DROP MATERIALIZED VIEW all_ones")
    sync(SyncOptions(str(index), to=seen.to))
    assert seen.documents() == expected(options)


def test_a_table_that_others_point_at_stays_itself(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    seen = named(engines["postgresql"], "pointed-at")
    options = SyncOptions(str(index), to=seen.to, anew=True)
    sync(options)
    seen.ask('CREATE TABLE likes (document text REFERENCES "pointed-at" (id))')
    next_night(index)
    sync(options)
    assert seen.documents() == expected(options)
    before = seen.documents()
    next_night(index)
    (gone, *_) = set(before) - set(expected(options))
    seen.ask(f"INSERT INTO likes VALUES ('{gone}')")  # noqa: S608 - hex digits
    ended = in_this_process("sync", index, "--to", seen.to, "--anew")
    assert ended.returncode == 9, ended.stderr
    assert "violates foreign key constraint" in ended.stderr.splitlines()[-1]
    assert seen.documents() == before
    seen.ask("DROP TABLE likes")
    sync(options)
    assert seen.documents() == expected(options)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", [None, r"^.{0,4}/([^/]+)"], ids=["picture", "product"])
def test_paths_of_4000_letters_and_groups_of_any_name_arrive(
    tmp_path: Path, engines: dict[str, EngineSeen], name: str, by: str | None
) -> None:
    odd = ["user", "order", "select", "id", "path", "sku", "role", "group_id", "x" * 200]
    labels = {group: [f"{group} a", 'it\'s "b" {c} %s \\'] for group in odd}
    labels["style"] = ["ü" * 90]
    tail = "é" * 2_000
    MadeNight(
        60,
        lambda i: f"{i:03d}/{i % 20}{tail}/{i}.jpg",
        lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        {MODEL: _with_columns(labels)},
        odd,
    ).publish(tmp_path / "index")
    seen = named(engines[name], f"odd-{'by' if by else 'of'}-{name}")
    url = "https://shop.example/{path}"
    options = SyncOptions(str(tmp_path / "index"), to=seen.to, product_from=by, url=url, anew=True)
    sync(options)
    assert differences(seen.documents(), expected(options)) == []
    next_night(tmp_path / "index", every=7)
    assert sync(SyncOptions(**vars(options) | {"anew": False})).way == "follow"
    assert differences(seen.documents(), expected(options)) == []


def _with_columns(labels: dict[str, list[str]]) -> Any:
    from tagger.index.corrected_rows import RowLabel
    from tagger.labels.columns import new_column

    found = [RowLabel("style", "red", "score_red", 0.1, False)]
    for group, names in labels.items():
        for name in names:
            column = new_column(group, name, {one.column for one in found})
            found.append(RowLabel(group, name, column, 0.1, False))
    return found
