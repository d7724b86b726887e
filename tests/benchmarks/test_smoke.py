"""That what the benchmarks stand on works: a small night is measured, ratios are compared. No times
are asserted."""

import json
from pathlib import Path

import pytest
from measuring import RATIOS, Ratios, drawn_originals, kind_of_processor, measured
from test_speed import PEERS, line, night, start_to_first


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
    assert 0 < start_to_first(ended, record) < ended.said_after < ended.seconds
    assert measured(PEERS / "decode_ceiling.py", catalog).said.startswith("6 images")


def test_ratios_are_compared_with_the_last_ones_of_this_processor_and_take_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ratios.json"
    file.write_text('{"VNNI": {"kept": 3.0, "slower": 2.0}, "AVX2": {"slower": 7.0}}')
    ratios, of_another_module = Ratios(file, "VNNI"), Ratios(file, "VNNI")
    ratios("slower", 1.0)
    of_another_module("other", 1.23456)
    ratios.write()
    of_another_module.write()
    assert json.loads(file.read_text()) == {
        "AVX2": {"slower": 7.0},
        "VNNI": {"kept": 3.0, "other": 1.235, "slower": 1.0},
    }
    said = capsys.readouterr().out
    assert "ratio on VNNI: slower: 1.000 (last 2.000: 0.50 of that)" in said
    assert "ratio on VNNI: other: 1.235 (new)" in said


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ("fpu avx avx2", "AVX2"),
        ("avx2 avx512f avx512_vnni", "VNNI"),
        ("avx2 avx_vnni", "VNNI"),
        ("avx2 avx512_vnni avx512_bf16", "VNNI, bfloat16"),
        ("avx2 avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8", "AMX, VNNI, bfloat16"),
        ("fp asimd", "unknown"),
    ],
)
def test_processors_are_told_apart_by_what_the_network_is_faster_with(
    flags: str, kind: str
) -> None:
    assert kind_of_processor(flags) == kind


def test_the_committed_ratios_are_of_known_kinds() -> None:
    for kind, ratios in json.loads(RATIOS.read_text()).items():
        assert set(kind.split(", ")) <= {"AMX", "VNNI", "bfloat16", "AVX2"}
        assert all(isinstance(value, float) for value in ratios.values())
