"""Weeks of a catalog, brought into every engine night by night: whatever happened, its documents
are those made afresh from the night."""

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from changed_bundles import described_again
from conftest import TINY
from engines import EngineSeen, engines, expected, key
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nights import World

from jobs.runs import roll_back
from jobs.sync import SyncOptions, sync
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from tagger.datasets.sample import Sample
from tagger.errors import InputError, TimeUp
from tagger.index.store import Index

__all__ = ["engines", "key"]  # fixtures

# A week takes seconds, and shrinking one hundreds of weeks.
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("night"), st.integers(0, 8)),
        st.tuples(st.just("said"), st.integers(1, 4)),
        st.tuples(st.just("rollback"), st.integers(0, 9)),
        st.tuples(st.just("full"), st.just(0)),
        st.tuples(st.just("features"), st.just(0)),
        st.tuples(st.just("other model"), st.just(0)),
        st.tuples(st.just("other thresholds"), st.integers(1, 9)),
        st.tuples(st.just("killed full night"), st.just(0)),
        st.tuples(st.just("missed"), st.integers(1, 3)),
        st.tuples(st.just("other words"), st.integers(0, 2)),
        st.tuples(st.just("other table"), st.integers(0, 99)),
    ),
    min_size=3,
    max_size=9,
)
WORDS = ("label,de\nred,rot\n", "label,de,parent\ndress,Kleid,garment\n", "label,de\nblue,blau\n")


@pytest.fixture(scope="module")
def other_bundle(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose garments are not exclusive: another vocabulary."""
    models = tmp_path_factory.mktemp("others")
    sets = (str(sample.labelled),)
    train(TrainOptions(sets, str(models), "open", "color,garment+", epochs=1, architecture=TINY))
    return models / "open-v1"


@pytest.fixture(scope="module")
def other_thresholds(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first model with other thresholds."""
    folder = tmp_path_factory.mktemp("thresholds") / "tiny-v1"
    shutil.copytree(bundle_path, folder)
    file = folder / "thresholds.json"
    written = json.loads(file.read_text())
    for one in written["labels"]:
        one["threshold"] = round(min(0.9, one["threshold"] + 0.05), 4)
    file.write_text(json.dumps(written))
    described_again(folder)
    return folder


class Weeks:
    """A catalog, its index, and what its documents are made of."""

    def __init__(self, folder: Path, models: list[Path], seed: int, by: str) -> None:
        self.world = World(folder, models[0], seed=seed, pictures=24)
        self.models = models
        self.model = models[0]
        self.by = by
        self.words = folder / "words.csv"
        self.words.write_text(WORDS[0])
        self.table = folder / "skus.csv"
        self.features = False

    def night(self, **more: Any) -> None:
        options = {"workers": 1, "max_error_rate": 1.0, "max_delete_rate": 1.0}
        options |= {"features": self.features, "replace_columns": True, "force_model": True}
        world = self.world
        tag_catalog(
            TagOptions(str(world.catalog), str(self.model), str(world.index), **options | more)
        )

    def write_table(self, seed: int) -> None:
        """Say of most pictures which product they show; the products are others with each seed."""
        names = [str(one.relative_to(self.world.catalog)) for one in self.world.pictures()]
        lines = [
            f"p{(i * 7 + seed) % 9},{name},{('front', 'detail', '')[i % 3]}"
            for i, name in enumerate(names)
            if (i + seed) % 8
        ]
        self.table.write_text("\n".join(["sku,image,role", *lines]) + "\n")

    def options(self, to: str) -> SyncOptions:
        by: dict[str, str] = {}
        if self.by == "table":
            by = {"products": str(self.table)}
        if self.by == "pattern":
            by = {"product_from": "^(f[0-9])/"}
        url = "https://shop.example/{id}/{path}"
        return SyncOptions(
            str(self.world.index), to=to, words=str(self.words), url=url, max_wait=20, **by
        )

    def happen(self, what: str, n: int) -> None:
        if what == "night":
            self.world.meddle(n)
        elif what == "said":
            self.world.say(n)
        elif what == "features":
            self.features = True
        elif what == "other model":
            self.model = self.models[1 if self.model == self.models[0] else 0]
        elif what == "other thresholds":
            self.model = self.models[2 if self.model == self.models[0] else 0]
        elif what == "other words":
            self.words.write_text(WORDS[n])
        elif what == "other table":
            self.write_table(n)
        if what == "rollback":
            kept = Index(self.world.index).snapshots()
            roll_back(str(self.world.index), kept[n % len(kept)])
        elif what == "other thresholds":
            try:
                # The same vocabulary: a few rows are scored anew, others are the older model's.
                self.night(backfill_limit=n)
            except InputError:  # those rows are of the other vocabulary, which the job refuses
                self.night()
        elif what == "killed full night":
            with suppress(TimeUp):
                self.night(full=True, max_seconds=0.3)  # features may be kept, and no row changes
        else:
            self.night(full=what == "full")


def check_weeks(
    engines: dict[str, EngineSeen],
    models: list[Path],
    events: list[tuple[str, int]],
    seed: int,
    by: str,
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        weeks = Weeks(folder, models, seed, by)
        weeks.write_table(0)
        weeks.night()
        missed = 0
        for what, n in [("night", 0), *events, ("night", 2)]:
            if what == "missed":
                missed = n
                continue
            weeks.happen(what, n)
            if missed:
                missed -= 1
                continue
            for engine in engines.values():
                options = weeks.options(engine.to)
                # Another world than that of the last example: its index leads nowhere from there.
                sync(SyncOptions(**vars(options) | {"anew": (what, n) == ("night", 0)}))
                assert engine.documents() == expected(options), (engine.to, what)
                again = sync(options)
                assert again.way == "nothing", again
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("by", ["picture", "table", "pattern"])
@settings(max_examples=2, deadline=None, phases=_PHASES, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.integers(0, 99))
def test_an_engine_has_the_documents_of_the_night_whatever_happened(
    engines: dict[str, EngineSeen],
    bundle_path: Path,
    other_bundle: Path,
    other_thresholds: Path,
    by: str,
    events: list[tuple[str, int]],
    seed: int,
) -> None:
    models = [bundle_path, other_bundle, other_thresholds]
    check_weeks(engines, models, events, seed, by)


@pytest.mark.long
@pytest.mark.parametrize("by", ["picture", "table", "pattern"])
@settings(max_examples=12, deadline=None, phases=_PHASES, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.integers(0, 99))
def test_an_engine_has_the_documents_of_the_night_whatever_happened_a_dozen_times(
    engines: dict[str, EngineSeen],
    bundle_path: Path,
    other_bundle: Path,
    other_thresholds: Path,
    by: str,
    events: list[tuple[str, int]],
    seed: int,
) -> None:
    models = [bundle_path, other_bundle, other_thresholds]
    check_weeks(engines, models, events, seed, by)
