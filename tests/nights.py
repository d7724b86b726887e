"""A small catalog that changes from night to night, and runs of the real job on it in processes of
their own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from conftest import clean_environment, in_this_process, jpeg, textured
from pages import consumer_code
from saying import say
from small_nights import small_nights

from schemas.corrections import CORRECTIONS_FILE

_NIGHT = f"""
import os, sys
from pathlib import Path
if __name__ == "__main__":  # decode workers import this file too
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    import jobs.cli
    from small_nights import small_nights
    with small_nights(Path(os.environ["SCORED"])):
        jobs.cli.main()
"""


NOTHING = pa.table({"image_id": pa.array([], pa.string())})


def consumer() -> Callable[[Path, pa.Table, str | None], tuple[pa.Table, str]]:
    """Return the consumer of the change feed, as its page has it."""
    names: dict[str, Any] = {}
    code, _, _ = consumer_code().partition("\ntable, seen = ")
    exec(code, names)  # noqa: S102 - the page's own code
    return names["follow"]


class World:
    """A catalog, an index, and a consumer of its change feed.

    Files are given modification times that only ever grow, by whole minutes from the past, so that
    none is unsettled.
    """

    def __init__(self, folder: Path, model: Path, *, seed: int, pictures: int) -> None:
        self.catalog, self.index, self.model = folder / "catalog", folder / "index", model
        self.scored = folder / "scored.txt"
        self.script = folder / "night.py"
        self.script.write_text(_NIGHT)
        self.catalog.mkdir(parents=True)
        self.scored.touch()
        self.environment = {"SCORED": str(self.scored), "PYTHONPATH": os.getcwd()}
        self._random, self._clock, self._drawn = np.random.default_rng(seed), 1_600_000_000, 0
        self._follow = consumer()
        self.table, self.seen = NOTHING, None
        for _ in range(pictures):
            self.add()

    def _write(self, path: Path, data: bytes) -> None:
        sibling = path.with_name(f".{path.name}.new")
        sibling.write_bytes(data)
        self._clock += 60
        os.utime(sibling, (self._clock, self._clock))
        path.parent.mkdir(exist_ok=True)
        sibling.rename(path)

    def _draw(self) -> bytes:
        self._drawn += 1
        kind = self._drawn % 40
        if kind == 0:
            return b""
        data = jpeg(textured(24, 24, seed=self._drawn))
        return data[: len(data) // 2] if kind == 1 else data

    def pictures(self) -> list[Path]:
        return sorted(path for path in self.catalog.rglob("*.jpg") if not path.name.startswith("."))

    def any_picture(self) -> Path:
        pictures = self.pictures()
        return pictures[int(self._random.integers(len(pictures)))]

    def add(self) -> None:
        folder = self.catalog / f"f{int(self._random.integers(5))}"
        folder.mkdir(exist_ok=True)
        self._write(folder / f"{self._drawn:05d}.jpg", self._draw())

    def edit(self) -> None:
        self._write(self.any_picture(), self._draw())

    def delete(self) -> None:
        self.any_picture().unlink()

    def rename(self) -> None:
        picture = self.any_picture()
        picture.rename(
            picture.with_name(f"r{self._drawn:05d}-{int(self._random.integers(10**6))}.jpg")
        )

    def touch(self) -> None:
        self._clock += 60
        os.utime(self.any_picture(), (self._clock, self._clock))

    def copy(self) -> None:
        picture = self.any_picture()
        self._write(
            picture.with_name(f"c{int(self._random.integers(10**6))}.jpg"), picture.read_bytes()
        )

    def say(self, times: int) -> None:
        """Have a person say something of some pictures that have a row."""
        rows = self.read()
        contents = rows.filter(pc.is_valid(rows["content_sha256"]))["content_sha256"].to_pylist()
        words = [("is", "red"), ("is", "teal"), ("none", None), ("withdrawn", None)]
        for _ in range(times):
            answer, label = words[int(self._random.integers(len(words)))]
            content = contents[int(self._random.integers(len(contents)))]
            say(self.index, content, "color", answer, label=label)

    def meddle(self, times: int) -> None:
        deeds = (
            self.add,
            self.add,
            self.add,
            self.edit,
            self.delete,
            self.rename,
            self.touch,
            self.copy,
        )
        for _ in range(times):
            deeds[int(self._random.integers(len(deeds)))]()

    def _command(self, *options: object) -> list[str]:
        rates = ("--max-error-rate", 1, "--max-delete-rate", 1)
        given = ("tag", self.catalog, "--model", self.model, "--index", self.index, *rates)
        return [str(word) for word in (*given, *options)]

    def start(self, *options: object, under: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """Start `tagger tag` in a process; `under` is a command that runs another one."""
        return subprocess.Popen(
            [*under, sys.executable, str(self.script), *self._command(*options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment() | self.environment,
        )

    def run(self, *options: object) -> str:
        """Run `tagger tag` to its good end in this process, and return what it printed."""
        with small_nights(self.scored):
            ended = in_this_process(*self._command(*options))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def run_apart(self, *options: object) -> str:
        """Run `tagger tag` to its good end in a process of its own."""
        process = self.start(*options)
        out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return out

    def read(self) -> pa.Table:
        return pq.read_table(os.path.realpath(self.index / "current"))

    def follow(self) -> None:
        """Apply the change feed, as a consumer does, and hold the result to the snapshot itself."""
        self.table, self.seen = self._follow(self.index, self.table, self.seen)
        assert self.table.sort_by("image_id").equals(self.read().sort_by("image_id"))

    def rows_equal_files(self) -> None:
        columns = self.read().select(["image_id", "size_bytes", "mtime_ns"]).to_pydict().values()
        files = {(path, path.stat()) for path in self.pictures()}
        looked_at = {
            (str(path.relative_to(self.catalog)), facts.st_size, facts.st_mtime_ns)
            for path, facts in files
        }
        assert set(zip(*columns, strict=True)) == looked_at

    def equals_an_undisturbed_run(self) -> None:
        mine, index, log = self.read(), self.index, self.scored.read_text()
        self.index = index.with_name("undisturbed")
        if (index / CORRECTIONS_FILE).exists():
            self.index.mkdir()
            shutil.copyfile(index / CORRECTIONS_FILE, self.index / CORRECTIONS_FILE)
        self.run()
        fresh = self.read()
        shutil.rmtree(self.index)
        self.index = index
        self.scored.write_text(log)
        assert lasting(mine).equals(lasting(fresh))

    def scored_again(self) -> int:
        """Return how often a content went through the network that had been through it before."""
        digests = self.scored.read_text().split()
        return len(digests) - len(set(digests))

    def staged_rows(self) -> int:
        """Return how many rows lie in staging; while a run clears it, perhaps too few."""
        try:
            return self._staged_rows()
        except OSError:
            return 0

    def _staged_rows(self) -> int:
        return sum(
            pq.read_metadata(path).num_rows for path in self.index.glob("_staging/*/unit-*.parquet")
        )


def lasting(rows: pa.Table) -> pa.Table:
    """Return the rows, by image_id, without what says when they were made."""
    return rows.drop_columns(["scored_at", "first_seen"]).sort_by("image_id")


def wait_until(
    what: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 60
) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None and not what():
        time.sleep(0.002)
