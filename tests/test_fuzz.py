"""Files that nobody meant to be pictures: every one is a row, nothing hangs, nothing dies but a
decode worker.

A failing input is kept in `.fuzz/`, with the seed that made it.
"""

import os
import socket
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED, jpeg, textured

from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from schemas.rows import STATUSES
from tagger.catalog import EXTENSIONS, image_id
from tagger.datasets.sample import Sample

KEPT = Path(__file__).parents[1] / ".fuzz"


def mutated(data: bytes, others: list[bytes], random: np.random.Generator) -> bytes:
    """Return a damaged copy of `data`: bits turned, bytes overwritten, cut out, put in, mixed with
    another file's."""
    damaged = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        at, length = (
            int(random.integers(0, len(damaged) + 1)),
            int(random.integers(1, 1 + max(1, len(damaged) // 4))),
        )
        match int(random.integers(0, 8)):
            case 0:
                del damaged[at:]
            case 1:
                del damaged[at : at + length]
            case 2:
                damaged[at:at] = damaged[at : at + length]
            case 3:
                damaged[at : at + length] = bytes(min(length, max(0, len(damaged) - at)))
            case 4:
                other = others[int(random.integers(len(others)))]
                damaged[at:] = other[int(random.integers(0, len(other) + 1)) :]
            case 5:  # where headers are: sizes, depths, offsets
                for _ in range(4):
                    if damaged:
                        damaged[int(random.integers(0, min(len(damaged), 64)))] = int(
                            random.choice([0, 1, 127, 255])
                        )
            case _:
                for _ in range(1 + len(damaged) // 500):
                    if damaged:
                        damaged[int(random.integers(len(damaged)))] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def check_mutants(folder: Path, model: Path, sources: list[Path], *, count: int, seed: int) -> str:
    """Tag `count` mutated copies and return what became of them."""
    random, catalog = np.random.default_rng(seed), folder / "catalog"
    catalog.mkdir()
    contents = [path.read_bytes() for path in sources if path.stat().st_size < 1_000_000]
    for i in range(count):
        source = contents[int(random.integers(len(contents)))]
        (catalog / f"{i:06d}{sorted(EXTENSIONS)[i % len(EXTENSIONS)]}").write_bytes(
            mutated(source, contents, random)
        )
    options = TagOptions(
        str(catalog), str(model), str(folder / "index"), max_error_rate=1, decode_timeout=20
    )
    summary = tag_catalog(options)
    rows = pd.read_parquet(os.path.realpath(folder / "index" / "current"))
    assert summary.found == len(rows) == count
    assert set(rows["status"]) <= set(STATUSES)
    assert rows.loc[rows["status"] == "ok", "score_red"].notna().all()
    assert verify(str(folder / "index")).faults == []
    for name, status in rows.loc[
        rows["status"].isin(["crashed", "timeout"]), ["image_id", "status"]
    ].itertuples(index=False):
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{status}-seed{seed}-{name}").write_bytes((catalog / name).read_bytes())
    bad = rows["error"].fillna("").str.contains("Traceback|Error:")
    assert not bad.any(), (
        f"errors without a reason, seed {seed}: "
        f"{rows.loc[bad, ['image_id', 'error']].to_dict('records')}"
    )
    return f"{count:,} mutants, seed {seed}: {rows['status'].value_counts().to_dict()}"


def sources_of(sample: Sample) -> list[Path]:
    drawn = sorted(path for path in sample.catalog.rglob("*") if path.is_file())
    odd = (
        [path for path in sorted((SHARED / "odd").glob("*")) if path.is_file()]
        if SHARED.is_dir()
        else []
    )
    return drawn + odd


def test_a_thousand_mutants_are_a_thousand_rows(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    print(check_mutants(tmp_path, bundle_path, sources_of(sample), count=1000, seed=1))


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_many_thousand_mutants_are_rows(
    sample: Sample, bundle_path: Path, tmp_path: Path, seed: int
) -> None:
    print("\n" + check_mutants(tmp_path, bundle_path, sources_of(sample), count=5000, seed=seed))


def test_every_odd_thing_is_a_row_or_counted(bundle_path: Path, tmp_path: Path) -> None:
    catalog, outside = tmp_path / "catalog", tmp_path / "outside.jpg"
    base, picture = os.fsencode(catalog), jpeg(textured(30, 30))
    catalog.mkdir()
    outside.write_bytes(picture)
    names = [
        b"plain.JPG",
        b"with space.jpg",
        b"new\nline.jpg",
        "emoji \U0001f457.jpg".encode(),
        b"invalid \xff\xfe.jpg",
        "caf\u00e9.jpg".encode(),
        "cafe\u0301.jpg".encode(),
        b"back\\slash.jpg",
        b"-dash.jpg",
        b"quote'\".jpg",
        b"tab\t.jpg",
        b"%2e.jpg",
        b"x" * 250 + b".jpg",
    ]
    if sys.platform == "darwin":  # its file systems take only valid, composed names
        names = [name for name in names if b"\xff" not in name and b"\xcc\x81" not in name]
    for name in names:
        with open(os.path.join(base, name), "wb") as file:
            file.write(picture + name[:9])
    failing = {
        "empty.jpg": (b"", "empty"),
        "page.jpg": (b"<html><body>404</body></html>", "unsupported"),
        "bomb.png": (bomb(), "too_large"),
    }
    for text, (data, _) in failing.items():
        (catalog / text).write_bytes(data)
    (catalog / "long.jpg").write_bytes(jpeg(textured(1, 20_000)))
    (catalog / "high.jpg").write_bytes(jpeg(textured(20_000, 1)))
    (catalog / "deep" / "er").mkdir(parents=True)
    (catalog / "deep" / "er" / "a.webp").write_bytes(picture)
    (catalog / "folder.png").mkdir()
    os.mkfifo(catalog / "pipe.jpg")
    (catalog / "loop.jpg").symlink_to("loop.jpg")
    (catalog / "deep" / "up").symlink_to("..")
    (catalog / "out.jpg").symlink_to(outside)
    (catalog / "in.jpg").symlink_to("plain.JPG")
    (catalog / "nowhere.jpg").symlink_to("missing")
    (catalog / ".hidden.jpg").write_bytes(picture)
    (catalog / "notes.txt").write_text("notes")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(catalog / "socket.jpg"))
        summary = tag_catalog(
            TagOptions(str(catalog), str(bundle_path), str(tmp_path / "index"), max_error_rate=1)
        )
    rows = pd.read_parquet(os.path.realpath(tmp_path / "index" / "current")).set_index("image_id")
    good = {image_id(name) for name in names} | {"long.jpg", "high.jpg", "deep/er/a.webp", "in.jpg"}
    assert set(rows.index) == good | set(failing)
    assert set(rows.index[rows["status"] == "ok"]) == good
    for text, (_, status) in failing.items():
        assert rows.loc[text, "status"] == status
    skipped = {
        "special": 2,
        "broken_link": 2,
        "folder_link": 1,
        "link_outside": 1,
        "hidden": 1,
        "not_a_picture": 1,
    }
    assert summary.skipped == skipped
    assert verify(str(tmp_path / "index")).faults == []
    second = tag_catalog(TagOptions(str(catalog), str(bundle_path), str(tmp_path / "index")))
    assert second.plan.changed == second.deleted == second.new == 0


def bomb() -> bytes:
    """Return a PNG of a few hundred bytes that claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )
