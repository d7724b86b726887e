"""How a night starts, and what it does side by side from then on."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import clean_environment, jpeg, textured

from tagger.errors import MachineFault
from tagger.imaging.decoder import Decoder
from tagger.imaging.preprocessing import Reading
from tagger.imaging.worker import CHUNK
from tagger.models.bundle import load_bundle
from tagger.models.openvino_network import OpenVinoPredictor
from tagger.nightly.context import TagOptions

pytestmark = pytest.mark.serial


def ran(code: str, *arguments: object) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("page", [False, True])
def test_a_night_loads_no_library_that_it_has_no_use_for(options: TagOptions, page: bool) -> None:
    code = (
        "import sys, jobs.cli\n"
        "command = ['tag', sys.argv[1], '--model', sys.argv[2], '--index', sys.argv[3]]\n"
        "more = ['--force-model', '--max-error-rate', '1', '--quiet', *sys.argv[4:]]\n"
        "assert jobs.cli.run([*command, *more]) == 0\n"
        "heavy = {'pandas', 'scipy', 'sklearn', 'tensorflow', 'keras', 'ray', 'matplotlib'}\n"
        "print(*(heavy & set(sys.modules)))\n"
    )
    out = Path(options.index).with_name("night.html")
    more = ("--report", out) if page else ()
    loaded = ran(code, options.catalog, options.model, options.index, *more).split()
    assert loaded == (["scipy"] if page else [])  # the page compares nights
    assert out.exists() == page


def test_pandas_is_kept_out_of_a_process_that_has_not_loaded_it_and_of_no_other() -> None:
    code = (
        "import sys\n"
        "if sys.argv[1] == 'loaded':\n    import pandas\n"
        "from tagger.libraries import keep_pandas_out\n"
        "keep_pandas_out()\n"
        "import pyarrow as pa\n"
        "table = pa.table({'a': [1, 2]})\n"
        "assert sys.argv[1] == 'loaded' or 'pandas' not in sys.modules\n"
        "import pandas as pd\n"  # a program of its own may still have it
        "print(pd.DataFrame({'a': [1]}).a.sum())\n"
        "if sys.argv[1] == 'loaded':\n    print(table.to_pandas().a.sum())\n"
    )
    assert ran(code, "loaded").split() == ["1", "3"]
    assert ran(code, "new").split() == ["1"]


def test_a_machine_that_starts_no_thread_is_to_blame_and_not_the_model(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    with pytest.raises(MachineFault, match="lacks processes or threads"):
        load_bundle(bundle_path)


def children() -> int:
    """How many processes this one has started that still live."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return sum(len(task.read_text().split()) for task in tasks)


def test_decoders_that_are_not_needed_at_first_start_when_a_picture_is_waited_for(
    tmp_path: Path,
) -> None:
    paths = [str(tmp_path / f"{i}.jpg") for i in range(4 * CHUNK)]
    for i, path in enumerate(paths):
        Path(path).write_bytes(jpeg(textured(20, 20, seed=i)))
    tasks = [(at, paths[at : at + CHUNK]) for at in range(0, len(paths), CHUNK)]
    before = children()
    with Decoder(Reading(16), workers=3, at_first=1) as decoder:
        chunks = decoder.decode(tasks)
        assert children() == before + 1
        found = list(chunks)
        assert children() == before + 3
    assert [chunk.key for chunk in found] == [at for at, _ in tasks]
    assert all(facts.status == "ok" for chunk in found for facts in chunk.facts)
    assert children() == before


def test_pictures_are_begun_before_anybody_waits_for_them(tmp_path: Path) -> None:
    picture = tmp_path / "one.jpg"
    picture.write_bytes(jpeg(textured(20, 20)))
    asked: list[str] = []

    def tasks() -> object:
        asked.append("asked")
        yield None, [str(picture)]

    with Decoder(Reading(16), workers=1) as decoder:
        chunks = decoder.decode(tasks())  # type: ignore[arg-type]
        assert asked == ["asked"]
        assert [facts.status for chunk in chunks for facts in chunk.facts] == ["ok"]


@pytest.mark.parametrize("pictures", [1, 15, 16, 17, CHUNK, CHUNK + 5])
def test_logits_do_not_depend_on_how_many_batches_are_computed_side_by_side(
    bundle_path: Path, pictures: int
) -> None:
    bundle = load_bundle(bundle_path)
    random = np.random.default_rng(pictures)
    size = (pictures, bundle.size, bundle.size, 3)
    pixels = random.integers(0, 256, size).astype(np.uint8)
    one = OpenVinoPredictor(bundle, threads=1)
    for threads in (2, 4):
        several = OpenVinoPredictor(bundle, threads=threads)
        for _ in range(2):
            for found, wanted in zip(several.infer(pixels), one.infer(pixels), strict=True):
                assert np.array_equal(found, wanted)
