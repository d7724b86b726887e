"""That what the benchmarks stand on works: a small night is measured, ratios are compared. No times
are asserted."""

import json
from pathlib import Path

import pytest
from measuring import Ratios, drawn_originals
from test_speed import line, night


def test_a_night_is_measured(bundle_path: Path, tmp_path: Path) -> None:
    (tmp_path / "originals").mkdir()
    catalog = drawn_originals(tmp_path / "originals", 6)
    ended, record = night(catalog, bundle_path, tmp_path / "index")
    assert record["counts"]["scored"] == 6
    assert (
        0
        < record["seconds"]["first"]
        <= record["seconds"]["last"]
        <= record["seconds"]["total"]
        <= ended.seconds
    )
    assert ended.cpu_seconds > 0
    assert ended.peak_mib > 50
    assert line("tagger tag", 6, ended).count("|") == 7


def test_ratios_are_compared_with_the_last_ones_and_take_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ratios.json"
    file.write_text('{"kept": 3.0, "slower": 2.0}')
    ratios, of_another_module = Ratios(file), Ratios(file)
    ratios("slower", 1.0)
    of_another_module("other", 1.23456)
    ratios.write()
    of_another_module.write()
    assert json.loads(file.read_text()) == {"kept": 3.0, "other": 1.235, "slower": 1.0}
    said = capsys.readouterr().out
    assert "ratio: slower: 1.000 (last 2.000: 0.50 of that)" in said
    assert "ratio: other: 1.235 (new)" in said
