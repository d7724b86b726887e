"""Speed, as ratios against peers on the same pictures and machine, one after the other. Reports;
asserts no times.

`make bench`. The pictures are described in `measuring.py` beside this file.
"""

import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SHARED
from measuring import Ended, measured, originals, ratio
from nights import lasting

from jobs.train import TrainOptions, train
from tagger.cpus import usable_cpus
from tagger.datasets.sample import draw_sample
from tagger.imaging.decoder import Decoder
from tagger.imaging.worker import CHUNK, SHORT
from tagger.labels.unlikeness import unlikeness
from tagger.labels.views import sigmoid, tag_matrix
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.openvino_network import OpenVinoPredictor, machine
from tagger.models.precision import MEAN_DIFFERENCE, remembered
from tagger.models.predictor import logits_of

pytestmark = pytest.mark.benchmark
__all__ = ["originals", "ratio"]  # fixtures
PEERS = Path(__file__).parent / "peers"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network in its published size, of a few epochs; or that of BENCH_MODEL.

    What follows finds the comparison of precisions made, as after any training on this machine.
    """
    folder = tmp_path_factory.mktemp("bench-model")
    labelled, epochs = SHARED / "fashion6", 8
    if not labelled.is_dir():
        labelled, epochs = draw_sample(folder, labelled=2200, catalog=1).labelled, 2
    if given := os.environ.get("BENCH_MODEL"):
        night(labelled, Path(given), folder / "index")
        return Path(given)
    options = TrainOptions(
        (str(labelled),), str(folder / "models"), groups="color,garment", epochs=epochs
    )
    return Path(train(options).bundle)


def night(catalog: Path, model: Path, index: Path, *more: object) -> tuple[Ended, dict[str, Any]]:
    """Run a night in a process of its own and return its cost and its record."""
    tag = ("-m", "jobs.cli", "tag", catalog, "--model", model, "--index", index, "--json")
    ended = measured(*tag, "--max-error-rate", "1", "--force-model", *more)
    summary = json.loads(ended.said)
    return ended, json.loads((index / "runs" / f"{summary['run_id']}.json").read_text())


def steady_rate(record: dict[str, Any]) -> float:
    """Return pictures a second from the first to the last one, less those that may be decoded
    before the first is."""
    seconds = record["seconds"]
    ahead = SHORT * (1 + usable_cpus())
    return float((record["counts"]["found"] - ahead) / (seconds["last"] - seconds["first"]))


def start_to_first(ended: Ended, record: dict[str, Any]) -> float:
    """Return the seconds from a night's launch to its first answers. It prints its report once its
    record is written."""
    seconds = record["seconds"]
    return float(ended.said_after - seconds["total"] + seconds["first"])


def line(name: str, pictures: int, ended: Ended) -> str:
    used = f"{1e3 * ended.cpu_seconds / pictures:.1f} | {ended.peak_mib:,.0f}"
    rate = f"{ended.seconds:.1f} | {pictures / ended.seconds:.0f}"
    # Ray's workers are nobody's children.
    return f"| {name} | {pictures:,} | {rate} | {'? | ?' if name.startswith('ray') else used} |"


def test_originals_against_what_people_write_today(
    model: Path, originals: Path, tmp_path: Path, ratio: Any
) -> None:
    names = sorted(path for path in originals.rglob("*.*") if path.is_file())
    few = tmp_path / "few"
    few.mkdir()
    for path in names[:: max(1, len(names) // 600)]:
        shutil.copy(path, few)
    shares = []
    for turn in range(3):  # machines are not always equally fast
        ours, record = night(originals, model, tmp_path / f"index{turn}")
        assert record["counts"]["scored"] == len(names)
        floor = measured(PEERS / "decode_ceiling.py", originals)
        ceiling = float(floor.said.split()[-2])
        shares.append(steady_rate(record) / ceiling)
        start = start_to_first(ours, record)
        print(
            f"\n{record['backend']}; from the first to the last picture {steady_rate(record):.0f} "
            "a second, bare "
            f"decoding {ceiling:.0f}; start to first picture {start:.2f} s; stages "
            f"{record['seconds']}"
        )
    ratio(
        f"{originals.name}: tagger tag / bare decoding, first to last picture",
        statistics.median(shares),
    )
    rows = [line("tagger tag", len(names), ours)]
    rows.append(line("decode_ceiling.py, no network", int(floor.said.split()[0]), floor))
    peers = {
        "keras_pipeline.py": (PEERS / "keras_pipeline.py", originals),
        "ray_data.py": (Path(__file__).with_name("ray_data.py"), originals),
        "seed_loop.py": (PEERS / "seed_loop.py", few),
    }
    for name, (script, folder) in peers.items():
        ended = measured(script, model / "model.keras", folder, tmp_path / f"{name}.parquet")
        n = int(ended.said.split()[-1])
        assert n
        rows.append(line(name, n, ended))
        ratio(
            f"{originals.name}: tagger tag / {name}",
            (len(names) / ours.seconds) / (n / ended.seconds),
        )
    print(
        "\n| | pictures | s | pictures/s | CPU ms each | peak MiB of a process "
        "|\n|---|---|---|---|---|---|"
    )
    print("\n".join(rows))


@pytest.mark.shared
def test_thumbnails_against_the_bare_network(
    model: Path, shared: Path, tmp_path: Path, ratio: Any
) -> None:
    _, record = night(shared / "products", model, tmp_path / "index")
    known = remembered(load_bundle(model), machine())
    precision = known.chosen.precision if known and known.chosen else "float32"
    predictor = OpenVinoPredictor(
        load_bundle(model), precision, batch=CHUNK
    )  # the batch that is fastest alone
    pixels = np.random.default_rng(0).integers(0, 255, (CHUNK, 96, 96, 3)).astype(np.uint8)
    predictor.infer(pixels)
    start = time.perf_counter()
    for _ in range(60):
        predictor.infer(pixels)
    bare = 60 * CHUNK / (time.perf_counter() - start)
    print(
        f"\n{record['backend']}: {steady_rate(record):.0f} a second of {bare:.0f}; stages "
        f"{record['seconds']}"
    )
    ratio("thumbnails: tagger tag / the bare network in batches", steady_rate(record) / bare)


@pytest.mark.shared
def test_tags_of_three_sources_are_those_of_float32(model: Path, shared: Path) -> None:
    """On pictures that the model was not trained on, with the margin that its own pictures gave."""
    bundle = load_bundle(model)
    known = remembered(bundle, machine())
    if known is None or known.chosen is None:
        pytest.skip(f"float32 alone is used here: {known.text() if known else 'not compared'}")
    exact = OpenVinoPredictor(bundle)
    cheaper = OpenVinoPredictor(bundle, known.chosen.precision)
    print(f"\n{known.text()}\n| source | pictures | again | scores differ by | other tags |")
    others = 0
    for source in ("apparel", "phones", "products"):
        pixels = _pixels(sorted(map(str, (shared / source).rglob("*.jpg"))), bundle)
        wanted = logits_of(exact, pixels)
        fast = logits_of(cheaper, pixels)
        again = known.chosen.again(fast, bundle)
        found = np.where(again[:, None], wanted, fast)
        tags = [tag_matrix(each, bundle.thresholds, bundle.vocabulary) for each in (wanted, found)]
        other = int((tags[0] != tags[1]).any(axis=1).sum())
        difference = np.abs(sigmoid(wanted) - sigmoid(found)).mean()
        print(f"| {source} | {len(pixels):,} | {again.mean():.1%} | {difference:.5f} | {other} |")
        others += other
        assert difference <= MEAN_DIFFERENCE
    assert others == 0


def _pixels(paths: list[str], bundle: Bundle) -> np.ndarray:
    with Decoder(bundle.reading, workers=usable_cpus()) as decoder:
        chunks = list(decoder.decode_files(paths))
    ok = np.array([facts.status == "ok" for chunk in chunks for facts in chunk.facts])
    return np.concatenate([chunk.pixels for chunk in chunks])[ok]


def test_what_is_unlike_costs_next_to_nothing(model: Path, ratio: Any) -> None:
    """Of the time of the network alone, which is less than that of any night."""
    bundle = load_bundle(model)
    assert bundle.likeness is not None
    assert bundle.likeness.outside is not None  # else next to nothing is done
    predictor = OpenVinoPredictor(bundle)
    pixels = np.random.default_rng(0).integers(0, 255, (CHUNK, 96, 96, 3)).astype(np.uint8)
    logits, features = predictor.infer(pixels)
    start = time.perf_counter()
    for _ in range(30):
        predictor.infer(pixels)
    between = time.perf_counter()
    for _ in range(30):
        unlikeness(logits, bundle.vocabulary, bundle.likeness, bundle.outside(features))
    end = time.perf_counter()
    times = (between - start) / (end - between)
    ratio("the network, float32 / saying how unlike a picture is", times)


def test_two_ray_workers_against_one(
    model: Path, originals: Path, tmp_path: Path, ratio: Any
) -> None:
    """A worker on one processor, and two on two: on two alone, one worker's decoder has a processor
    of its own."""
    seconds, processors = {}, os.sched_getaffinity(0)
    for workers in (1, 2):
        ray = ("--engine", "ray", "--workers", workers)
        os.sched_setaffinity(0, sorted(processors)[:workers])
        try:
            ended, record = night(originals, model, tmp_path / f"index{workers}", *ray)
        finally:
            os.sched_setaffinity(0, processors)
        seconds[workers] = record["seconds"]["wait"]
        print(
            f"\nray, {workers} workers: {ended.seconds:.1f} s in all, {seconds[workers]:.1f} s of "
            "work"
        )
    rows = [pq.read_table(os.path.realpath(tmp_path / f"index{n}" / "current")) for n in (1, 2)]
    assert lasting(rows[0]).equals(lasting(rows[1]))
    ratio(f"{originals.name}: two ray workers / one", seconds[1] / seconds[2])


def test_training_against_the_port_of_the_method(tmp_path: Path, ratio: Any) -> None:
    """Seconds per epoch and picture, the method's own recipe; both side by side on drawn pictures.

    By trainings of two and of six epochs: what both take besides, such as ours for a network in
    int8, is no part of it.
    """
    sample = draw_sample(tmp_path, labelled=440, catalog=1)
    paths = sorted(sample.labelled.rglob("*.jpg"))
    rows = [f"{path}\t{path.parent.name.replace('_', ',')}" for path in paths]
    (tmp_path / "train.txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "test.txt").write_text("\n".join(rows[::5]) + "\n")
    ours, port = [], []
    for epochs in (2, 6):
        options = TrainOptions(
            (str(sample.labelled),),
            str(tmp_path / f"models{epochs}"),
            groups="color,garment",
            epochs=epochs,
            recipe="plain",
        )
        result = train(options)
        ours.append(result.seconds / result.pictures.train)
        ended = measured(
            PEERS / "port_train.py",
            tmp_path / "train.txt",
            tmp_path / "test.txt",
            tmp_path / f"port{epochs}.keras",
            epochs,
        )
        port.append(float(ended.said.strip().splitlines()[-1].split()[0]) / len(rows))
    ratio(
        "training, a picture and epoch: port / --recipe plain",
        (port[1] - port[0]) / (ours[1] - ours[0]),
    )
