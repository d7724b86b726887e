"""Ratios that benchmarks measured: printed beside the last committed ones of the same kind of
processor, and written in their place."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import SHARED, clean_environment

PICTURES = int(os.environ.get("BENCH_PICTURES", "6000"))
RATIOS = Path(__file__).with_name("ratios.json")


class Ended(NamedTuple):
    """A process that has ended: wall seconds, those until it printed its last line, processor
    seconds, the most memory any one process held, what it printed.

    Its children count where it waited for them; Ray's workers it does not.
    """

    seconds: float
    said_after: float
    cpu_seconds: float
    peak_mib: float
    said: str


_WATCH = """
import json, resource, subprocess, sys, time
start = said = time.perf_counter()
lines = []
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as process:
    for line in process.stdout:
        lines.append(line)
        said = time.perf_counter()
seconds, usage = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
used = [seconds, said - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
print(json.dumps([process.returncode, *used, "".join(lines)]))
"""


def measured(*command: object) -> Ended:
    """Run Python with these arguments to its end, under a parent of its own that adds up what its
    children used."""
    watched = [sys.executable, "-c", _WATCH, sys.executable, *map(str, command)]
    said = subprocess.run(
        watched, capture_output=True, text=True, env=clean_environment(), check=True
    ).stdout
    code, *usage, out = json.loads(said.strip().splitlines()[-1])
    assert code == 0, (command, out)
    return Ended(*usage, out)


_UNITS = {
    "AMX": ("amx_int8",),
    "VNNI": ("avx512_vnni", "avx_vnni"),
    "bfloat16": ("avx512_bf16", "amx_bf16"),
    "AVX2": ("avx2",),
}


def kind_of_processor(flags: str | None = None) -> str:
    """Return what this processor has that the network is faster with, such as `VNNI, bfloat16`;
    `AVX2` says that it has nothing better.

    Parameters
    ----------
    flags : str, optional
        What Linux says of a processor; by default of this one.
    """
    if flags is None:
        try:
            flags = Path("/proc/cpuinfo").read_text()
        except OSError:  # not Linux
            return "unknown"
    known = set(flags.split())
    found = [unit for unit, names in _UNITS.items() if not known.isdisjoint(names)]
    better = [unit for unit in found if unit != "AVX2"]
    return ", ".join(better or found) or "unknown"


class Ratios:
    """Ratios by name: what was found now, beside what the file says that was found last on this
    kind of processor.

    Called with a name and a value it takes in one.
    """

    def __init__(self, path: Path, kind: str | None = None) -> None:
        self._path = path
        self._kind = kind_of_processor() if kind is None else kind
        self._last = _read(path).get(self._kind, {})
        self._found: dict[str, float] = {}

    def __call__(self, name: str, value: float) -> None:
        self._found[name] = round(value, 3)
        last = self._last.get(name)
        before = f"last {last:.3f}: {value / last:.2f} of that" if last else "new"
        print(f"\nratio on {self._kind}: {name}: {value:.3f} ({before})", flush=True)

    def write(self) -> None:
        """Put what was found in the place of what was found last; each module of a session has
        ratios of its own."""
        if self._found:
            ratios = _read(self._path)
            ratios[self._kind] = ratios.get(self._kind, {}) | self._found
            self._path.write_text(json.dumps(ratios, indent=1, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, dict[str, float]]:
    ratios: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    return ratios


@pytest.fixture(scope="session")
def ratio() -> Iterator[Ratios]:
    """What benchmarks tell their ratios; BENCH_WRITE=0 leaves the committed file alone."""
    ratios = Ratios(RATIOS)
    yield ratios
    if os.environ.get("BENCH_WRITE", "1") != "0":
        ratios.write()


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Originals under many names, a trailing byte altered, so that nothing is scored once for being
    equal.

    Those of BENCH_CATALOG, or the 120 beside the checkout, or drawn ones; BENCH_PICTURES says how
    many names.
    """
    given = os.environ.get("BENCH_CATALOG")
    folder = Path(given) if given else SHARED / "fullres"
    if not folder.is_dir():
        folder = drawn_originals(tmp_path_factory.mktemp("drawn"))
    contents = [path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()]
    # Its name goes into that of every ratio measured on it.
    root = tmp_path_factory.mktemp("bench") / f"{PICTURES:,} of {folder.name}"
    for i in range(PICTURES):
        path = root / f"f{i // 1000:03d}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[i % len(contents)] + i.to_bytes(4, "little"))
        os.utime(path, (1.6e9, 1.6e9))
    return root


def drawn_originals(folder: Path, pictures: int = 60) -> Path:
    """Draw pictures of 1600 x 2000 pixels."""
    import cv2
    import numpy as np
    from conftest import jpeg

    from tagger.datasets.sample import COLORS, GARMENTS, draw

    random = np.random.default_rng(0)
    for i in range(pictures):
        small = draw(list(COLORS)[i % 4], list(GARMENTS)[i % 3], random)
        large = cv2.resize(small, (1600, 2000), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(large + random.normal(0, 4, large.shape), 0, 255).astype(np.uint8)
        (folder / f"{i:04d}.jpg").write_bytes(jpeg(noisy, 88))
    return folder
