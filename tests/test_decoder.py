"""Decode workers: real processes, really killed."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import jpeg, textured

from tagger.digests import keys_of
from tagger.errors import TimeUp
from tagger.imaging.decoder import Decoder, chunked
from tagger.imaging.file_facts import FileFacts, read_stable
from tagger.imaging.preprocessing import Reading
from tagger.imaging.reader import read_picture
from tagger.imaging.worker import CHUNK

pytestmark = pytest.mark.serial


def write_pictures(folder: Path, n: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    paths = []
    for i in range(n):
        path = folder / f"{i:04d}.jpg"
        path.write_bytes(jpeg(textured(60, 40, seed=i)))
        paths.append(str(path))
    return paths


def chunks_of(paths: list[str]) -> list[tuple[int, list[str]]]:
    return [(at, paths[at : at + CHUNK]) for at in range(0, len(paths), CHUNK)]


def test_chunks_come_back_in_order_with_the_pixels_the_reader_gives(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 3 * CHUNK + 5)
    with Decoder(Reading(16), workers=2) as decoder:
        found = list(decoder.decode(chunks_of(paths)))
    assert [chunk.key for chunk in found] == [0, CHUNK, 2 * CHUNK, 3 * CHUNK]
    pixels = np.concatenate([chunk.pixels for chunk in found])
    for path, decoded in zip(paths, pixels, strict=True):
        assert np.array_equal(decoded, read_picture(Path(path).read_bytes(), Reading(16)).pixels)
    facts = [facts for chunk in found for facts in chunk.facts]
    assert {f.status for f in facts} == {"ok"}
    assert facts[7].size_bytes == os.path.getsize(paths[7])
    assert (facts[7].width, facts[7].height) == (40, 60)


def test_what_is_no_text_in_the_import_path_is_passed_over_as_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    paths = write_pictures(tmp_path, 1)
    with Decoder(Reading(16), workers=1) as decoder:
        (chunk,) = decoder.decode(chunks_of(paths))
    assert chunk.facts[0].status == "ok"


def test_each_bad_file_is_answered_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "good.jpg").write_bytes(jpeg(textured(20, 20)))
    os.mkfifo(tmp_path / "pipe.jpg")
    names = ["empty.jpg", "page.jpg", "good.jpg", "pipe.jpg", "missing.jpg"]
    with Decoder(Reading(8), workers=1) as decoder:
        (chunk,) = decoder.decode([("k", [str(tmp_path / name) for name in names])])
    assert [facts.status for facts in chunk.facts] == ["empty", "unsupported", "ok", "gone", "gone"]
    assert chunk.pixels[2].any()
    assert not chunk.pixels[[0, 1, 3, 4]].any()


def test_a_worker_that_is_killed_once_costs_nothing(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 40 * CHUNK)
    with Decoder(Reading(16), workers=2) as decoder:
        found = []
        for chunk in decoder.decode(chunks_of(paths)):
            found.append(chunk)
            if len(found) in (3, 9):
                os.kill(decoder._workers[0].process.pid, signal.SIGKILL)
    assert [facts.status for chunk in found for facts in chunk.facts] == ["ok"] * len(paths)


def test_a_worker_that_dies_while_idle_blames_no_picture(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 3)
    with Decoder(Reading(8), workers=1) as decoder:
        for _ in range(4):
            (chunk,) = decoder.decode([(0, paths)])
            assert [facts.status for facts in chunk.facts] == ["ok"] * 3
            os.kill(decoder._workers[0].process.pid, signal.SIGKILL)
            decoder._workers[0].process.wait()


def test_a_slow_consumer_is_no_timeout(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 3)
    with Decoder(Reading(8), workers=1, timeout=3.0) as decoder:
        list(decoder.decode([(0, paths)]))
        time.sleep(3.5)
        (chunk,) = decoder.decode([(0, paths)])
    assert [facts.status for facts in chunk.facts] == ["ok"] * 3


def sabotage(folder: Path, monkeypatch: pytest.MonkeyPatch, deed: str) -> bytes:
    """Make every worker do `deed` when it decodes the picture that is returned, as OpenCV 5.0.0
    dies on some files."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(
        "import os, time, cv2\n"
        "real = cv2.imdecode\n"
        "def deadly(data, *rest):\n"
        f"    if bytes(data[-6:]) == b'DEADLY': {deed}\n"
        "    return real(data, *rest)\n"
        "cv2.imdecode = deadly\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{folder / 'site'}{os.pathsep}{os.getcwd()}")
    return jpeg(textured(40, 40)) + b"DEADLY"


def test_a_picture_that_kills_its_worker_costs_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path, 70)
    deadly = sabotage(tmp_path, monkeypatch, "os.kill(os.getpid(), 11)")
    Path(paths[33]).write_bytes(deadly)
    with Decoder(Reading(8), workers=2) as decoder:
        facts = [facts for chunk in decoder.decode(chunks_of(paths)) for facts in chunk.facts]
    assert [i for i, f in enumerate(facts) if f.status != "ok"] == [33]
    assert facts[33].status == "crashed"
    # Reading a stranger's file is the worker's work, so the parent knows of it what the worker had
    # written down.
    assert facts[33].content_sha256 == hashlib.sha256(deadly).hexdigest()
    assert (facts[33].size_bytes, facts[33].mtime_ns) == (
        len(deadly),
        os.stat(paths[33]).st_mtime_ns,
    )


def test_a_picture_on_which_its_worker_spins_is_a_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path, 70)
    Path(paths[33]).write_bytes(sabotage(tmp_path, monkeypatch, "exec('while True: pass')"))
    with Decoder(Reading(8), workers=2, timeout=3.0) as decoder:
        facts = [facts for chunk in decoder.decode(chunks_of(paths)) for facts in chunk.facts]
    assert [(i, f.status) for i, f in enumerate(facts) if f.status != "ok"] == [(33, "timeout")]
    assert "took longer than 3 s" in str(facts[33].error)


@pytest.mark.parametrize(
    ("deed", "status"),
    [("os.kill(os.getpid(), 11)", "crashed"), ("exec('while True: pass')", "timeout")],
)
def test_one_worker_may_begin_alone_whatever_becomes_of_its_first_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, status: str
) -> None:
    paths = write_pictures(tmp_path, 3 * CHUNK)
    Path(paths[0]).write_bytes(sabotage(tmp_path, monkeypatch, deed))
    with Decoder(Reading(8), workers=2, at_first=1, timeout=2.0) as decoder:
        chunks = decoder.decode(chunks_of(paths))
        assert len(decoder._workers) == 1
        time.sleep(2.5)  # as long as a network loads
        facts = [facts for chunk in chunks for facts in chunk.facts]
        assert len(decoder._workers) == 2
    assert [(i, f.status) for i, f in enumerate(facts) if f.status != "ok"] == [(0, status)]


def test_a_worker_that_spins_ends_with_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spin.jpg").write_bytes(sabotage(tmp_path, monkeypatch, "exec('while True: pass')"))
    script = tmp_path / "parent.py"
    script.write_text(
        "from tagger.imaging.decoder import Decoder\nfrom tagger.imaging.preprocessing import "
        "Reading\n"
        "if __name__ == '__main__':\n"
        "    decoder = Decoder(Reading(8), workers=1)\n"
        "    print(decoder._workers[0].process.pid, flush=True)\n"
        f"    list(decoder.decode([(0, [{str(tmp_path / 'spin.jpg')!r}])]))\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(3)
    assert parent.poll() is None
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(worker):
        time.sleep(0.1)
    assert not _alive(worker)


def test_known_contents_are_read_and_not_decoded(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 3)
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    with Decoder(Reading(8), workers=1, known=keys_of(pa.chunked_array([digests[:2]]))) as decoder:
        (chunk,) = decoder.decode([(0, paths)])
        assert decoder.read_seconds > 0
        assert decoder.decode_seconds > 0
    assert [f.status for f in chunk.facts] == ["known", "known", "ok"]
    assert [f.content_sha256 for f in chunk.facts] == digests
    assert not chunk.pixels[:2].any()


def test_a_file_read_right_after_its_last_change_is_unsettled(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 3)
    now = time.time()
    for path, age in zip(paths, (0, 60, -60), strict=True):
        os.utime(path, (now - age, now - age))
    with Decoder(Reading(8), workers=1) as decoder:
        list(decoder.decode([(0, paths)]))  # workers are warm from here on
        os.utime(paths[0])
        (chunk,) = decoder.decode([(0, paths)])
    assert [f.unsettled for f in chunk.facts] == [True, False, False]


def test_decoding_stops_when_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path, 3)
    Path(paths[1]).write_bytes(sabotage(tmp_path, monkeypatch, "exec('while True: pass')"))
    start = time.monotonic()
    with Decoder(Reading(8), workers=1) as decoder, pytest.raises(TimeUp):
        list(decoder.decode([(0, paths)], until=start + 2))
    assert time.monotonic() - start < 30


def test_tasks_are_small_enough_for_a_pipe_whatever_the_paths_length() -> None:
    short, long = ["a.jpg"] * (2 * CHUNK + 1), ["x" * 4000 + ".jpg"] * 20
    assert [len(chunk) for chunk in chunked(short)] == [CHUNK, CHUNK, 1]
    assert all(sum(map(len, chunk)) <= 32_768 for chunk in chunked(long))
    assert [path for chunk in chunked(long) for path in chunk] == long


def test_a_worker_that_hangs_is_replaced_at_the_cost_of_a_picture_at_most(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 12 * CHUNK)
    with Decoder(Reading(8), workers=1, timeout=3.0) as decoder:
        chunks = decoder.decode(chunks_of(paths))
        found = [next(chunks)]
        process = decoder._workers[0].process
        os.kill(process.pid, signal.SIGSTOP)
        found += list(chunks)
    facts = [facts for chunk in found for facts in chunk.facts]
    statuses = [f.status for f in facts]
    assert statuses.count("timeout") <= 1  # none, if it was stopped between two pictures
    assert statuses.count("ok") == len(paths) - statuses.count("timeout")


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 2)
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from tagger.imaging.decoder import Decoder\nfrom tagger.imaging.preprocessing import "
        "Reading\n"
        "if __name__ == '__main__':\n"
        "    decoder = Decoder(Reading(8), workers=2)\n"
        f"    list(decoder.decode([(0, {paths!r})]))\n"
        "    print(*[w.process.pid for w in decoder._workers], flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_alive(pid) for pid in workers):
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_file_that_is_being_written_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path, stop = tmp_path / "busy.bin", threading.Event()
    path.write_bytes(b"a" * 100_000)

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            with open(path, "r+b") as file:
                file.write(bytes([97 + n % 26]) * 100_000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            try:
                data, facts, _ = read_stable(str(path))
            except OSError as error:
                assert "written to" in str(error)
            else:
                assert len(data) == facts.st_size
    finally:
        stop.set()
        writer.join()


def test_facts_default_to_unknown() -> None:
    assert FileFacts("denied", "permission denied")[2:] == (None,) * 5 + (False, False)
