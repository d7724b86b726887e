"""`tagger tag --metrics`: what Prometheus's own parser reads, after every kind of run."""

import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pages import OPERATIONS, blocks
from prometheus_client.parser import text_string_to_metric_families
from saying import say
from shop import Shop

from jobs.runs import list_runs, roll_back
from jobs.tag_catalog import TagOptions, dry_run, tag_catalog
from tagger.errors import InputError, Locked, Refused, TaggerError, TimeUp
from tagger.files import Lock
from tagger.index.disk_use import disk_use
from tagger.nightly.current_night import began_at
from tagger.nightly.exposition import Family, Sample, exposition

Tagger = Callable[..., subprocess.CompletedProcess[str]]
WATCHING = OPERATIONS.with_name("WATCHING.md")
Labels = frozenset[tuple[str, str]]


def read(text: str) -> dict[str, dict[Labels, float]]:
    """Return name to labels to number, as Prometheus's parser reads them."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


class Watched:
    """A shop whose nights write a metrics file."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.file = shop.home / "tagger.prom"
        self.options = TagOptions(
            str(shop.catalog), str(shop.model), str(shop.index), workers=1, metrics=str(self.file)
        )

    def value(self, name: str, **labels: str) -> float:
        every = read(self.file.read_text())[name]
        return every[frozenset({"index": str(self.shop.index), **labels}.items())]

    def state(self) -> str:
        """Return the one state that the last run is in."""
        every = read(self.file.read_text())["tagger_run_state"]
        (labels,) = (labels for labels, value in every.items() if value)
        assert set(every.values()) <= {0, 1}
        return dict(labels)["state"]

    def night(self) -> dict[str, dict[Labels, float]]:
        """Return the figures of the night that readers see."""
        every = read(self.file.read_text())
        return {name: values for name, values in every.items() if name.startswith("tagger_night_")}


def rules_on_the_page() -> list[dict[str, Any]]:
    (rules,) = blocks(WATCHING, "yaml")
    (group,) = yaml.safe_load(rules)["groups"]
    written: list[dict[str, Any]] = group["rules"]
    return written


@pytest.fixture
def watched(shop: Shop) -> Watched:
    return Watched(shop)


def test_a_published_night_has_the_figures_of_its_record(watched: Watched) -> None:
    shop = watched.shop
    shop.deliver_many(3)
    shop.deliver("2026/broken.jpg")
    (shop.catalog / "2026" / "07" / "00.jpg").unlink()
    report = tag_catalog(watched.options)
    record = list_runs(str(shop.index)).runs[0]
    assert watched.state() == "published"
    assert watched.value("tagger_run_exit_code") == 0
    assert watched.value("tagger_night_rows", status="ok") == 50
    assert watched.value("tagger_night_rows", status="empty") == 1
    changes = ("new", "changed", "rescored", "unchanged")
    counts = {name: watched.value("tagger_night_pictures", change=name) for name in changes}
    assert counts == {name: getattr(report, name) for name in changes}
    assert sum(counts.values()) == report.published_rows
    assert watched.value("tagger_night_deleted_rows") == 1
    assert watched.value("tagger_run_tried_pictures") == 4
    assert watched.value("tagger_run_failed_pictures", status="empty") == 1
    assert watched.value("tagger_run_failure_ratio") == 0.25
    assert watched.value("tagger_run_pictures_per_second") == report.images_per_second
    assert watched.value("tagger_run_duration_seconds") == record.seconds["total"]
    assert (
        watched.value("tagger_run_stage_duration_seconds", stage="walk") == (record.seconds["walk"])
    )
    assert watched.value("tagger_run_peak_memory_bytes") > 50 * 2**20
    began = began_at(record.run_id).timestamp()
    assert abs(watched.value("tagger_night_timestamp_seconds") - began) <= 1
    assert watched.value(
        "tagger_night_info", catalog=str(shop.catalog), model_id=record.model_id or ""
    )
    # The run's record, its lock and the file itself came after it was measured.
    assert abs(watched.value("tagger_index_size_bytes") - disk_use(shop.index).total) < 50_000
    assert watched.value("tagger_corrections_total") == 0


def test_what_persons_said_is_counted(watched: Watched) -> None:
    for label in ("red", "blue"):
        say(watched.shop.index, "0" * 64, "color", label=label)
    tag_catalog(watched.options)
    assert watched.value("tagger_corrections_total") == 2


def test_a_night_without_news_makes_the_night_young_and_keeps_its_rows(watched: Watched) -> None:
    watched.shop.deliver_many(2)
    tag_catalog(watched.options)
    first = watched.value("tagger_night_timestamp_seconds")
    record = max(watched.shop.index.glob("runs/*.json"))
    old = json.loads(record.read_text()) | {"started_at": "2020-01-01T00:00:00+00:00"}
    record.write_text(json.dumps(old))
    tag_catalog(watched.options)
    assert watched.state() == "unchanged"
    assert watched.value("tagger_night_timestamp_seconds") >= first
    assert watched.value("tagger_night_rows", status="ok") == 50
    assert watched.value("tagger_night_pictures", change="unchanged") == 50


def many_fail(watched: Watched) -> TagOptions:
    for i in range(25):
        watched.shop.deliver(f"2026/incoming/{i}.jpg")
    return watched.options


def the_share_is_gone(watched: Watched) -> TagOptions:
    watched.shop.catalog.rename(watched.shop.home / "away")
    return watched.options


def the_time_is_up(watched: Watched) -> TagOptions:
    return replace(watched.options, max_seconds=0)


def the_model_is_damaged(watched: Watched) -> TagOptions:
    (watched.shop.model / "thresholds.json").write_text("{}")
    return watched.options


@pytest.mark.parametrize(
    ("happens", "error", "state", "code"),
    [
        (many_fail, Refused, "refused", 3),
        (the_share_is_gone, InputError, "refused", 2),
        (the_model_is_damaged, InputError, "refused", 2),
        (the_time_is_up, TimeUp, "stopped", 7),
    ],
)
def test_after_a_run_that_did_not_publish_the_night_s_figures_stay_the_night_s(
    watched: Watched,
    happens: Callable[[Watched], TagOptions],
    error: type[TaggerError],
    state: str,
    code: int,
) -> None:
    watched.shop.deliver_many(2)
    tag_catalog(watched.options)
    before = watched.night()
    options = happens(watched)
    with pytest.raises(error):
        tag_catalog(options)
    assert (watched.state(), watched.value("tagger_run_exit_code")) == (state, code)
    assert watched.night() == before


def test_a_run_that_finds_the_lock_taken_says_so(watched: Watched) -> None:
    tag_catalog(watched.options)
    before = watched.night()
    with Lock(watched.shop.index / "_lock"), pytest.raises(Locked):
        tag_catalog(watched.options)
    assert (watched.state(), watched.value("tagger_run_exit_code")) == ("refused", 4)
    assert watched.night() == before


def test_before_the_first_night_there_are_figures_of_the_run_alone(watched: Watched) -> None:
    shutil.rmtree(watched.shop.index)
    with pytest.raises(Refused):
        tag_catalog(replace(many_fail(watched), max_error_rate=0.01))
    assert watched.night() == {}
    assert watched.value("tagger_run_failed_pictures", status="empty") == 25


def test_a_damaged_night_has_no_figures(watched: Watched) -> None:
    (watched.shop.current() / "manifest.json").write_text("{")
    with pytest.raises(InputError):
        tag_catalog(watched.options)
    assert (watched.night(), watched.state()) == ({}, "refused")


def families(watched: Watched) -> set[str]:
    return set(read(watched.file.read_text()))


def test_corrections_that_cannot_be_counted_cost_no_other_figure(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    tag_catalog(watched.options)
    before = families(watched)
    (watched.shop.index / "corrections.jsonl").mkdir()
    with pytest.raises(TaggerError):
        tag_catalog(watched.options)
    assert before - families(watched) == {"tagger_corrections_total"}
    assert watched.value("tagger_run_exit_code") == 2
    assert "metrics: corrections cannot be told; left out: Is a directory" in caplog.text


def test_a_size_that_cannot_be_told_costs_no_other_figure_and_no_night(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file system does not say how much room it has, which a night without news does not ask
    for."""
    tag_catalog(watched.options)
    before = families(watched)

    def fails(path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(shutil, "disk_usage", fails)
    assert tag_catalog(watched.options).exit_code == 0
    assert before - families(watched) == {"tagger_index_size_bytes"}
    assert "the index's size cannot be told; left out: Input/output error" in caplog.text


@pytest.mark.serial
def test_after_a_run_that_was_killed_without_a_word_the_file_is_that_of_the_run_before(
    shop: Shop,
) -> None:
    """So the age of the night is what tells, and the page has a rule for it."""
    shop.tag("--metrics", "tagger.prom")
    before = (shop.home / "tagger.prom").read_text()
    shop.in_the_night(
        "import os, signal, tagger.nightly.night as night\n"
        "night.plan_night = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert shop.tag("--metrics", "tagger.prom").returncode == -signal.SIGKILL
    assert (shop.home / "tagger.prom").read_text() == before
    rules = {rule["alert"]: rule["expr"] for rule in rules_on_the_page()}
    assert rules["TaggerNightTooOld"] == "time() - tagger_night_timestamp_seconds > 26 * 3600"
    assert "SIGKILL" in WATCHING.read_text()
    assert "`TaggerNightTooOld`" in WATCHING.read_text()


def test_after_a_rollback_the_figures_are_those_of_the_older_night(watched: Watched) -> None:
    older = watched.shop.current().name
    watched.shop.deliver_many(2)
    tag_catalog(watched.options)
    roll_back(str(watched.shop.index), older)
    with pytest.raises(TimeUp):
        tag_catalog(replace(watched.options, max_seconds=0))
    assert watched.value("tagger_night_timestamp_seconds") == began_at(older).timestamp()
    assert watched.value("tagger_night_rows", status="ok") == 48


def test_a_dry_run_writes_none(watched: Watched) -> None:
    dry_run(watched.options)
    assert not watched.file.exists()


def test_others_may_read_it_and_no_sibling_stays(watched: Watched) -> None:
    before = os.umask(0o077)
    try:
        tag_catalog(watched.options)
    finally:
        os.umask(before)
    assert stat.S_IMODE(watched.file.stat().st_mode) == 0o644
    assert sorted(path.name for path in watched.shop.home.iterdir()) == [
        "catalog",
        "index",
        "models",
        "tagger.prom",
    ]


def test_who_reads_while_it_is_replaced_reads_a_whole_file(watched: Watched) -> None:
    tag_catalog(watched.options)
    stop, faults, seen = threading.Event(), [], set()

    def collect() -> None:
        while not stop.is_set():
            text = watched.file.read_text()
            seen.add(text)
            if not text.endswith("\n") or "tagger_index_size_bytes{" not in text:
                faults.append(text)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for _ in range(5):
            tag_catalog(watched.options)
    finally:
        stop.set()
        collector.join()
    assert faults == []
    assert len(seen) > 1


@pytest.mark.parametrize("place", ["nowhere/tagger.prom", "catalog", "/proc/tagger.prom"])
def test_a_file_that_cannot_be_written_is_told_and_fails_no_night(
    watched: Watched, tagger: Tagger, place: str
) -> None:
    shop = watched.shop
    ended = tagger(
        *("tag", shop.catalog, "--index", shop.index, "--model", shop.model, "--json"),
        *("--workers", 1, "--metrics", shop.home / place),
    )
    assert ended.returncode == 0
    assert "could not be written" in ended.stderr
    assert json.loads(ended.stdout)["exit_code"] == 0


def test_the_name_may_come_from_the_settings_with_a_variable(
    watched: Watched, tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = watched.shop
    monkeypatch.setenv("COLLECTED", str(shop.home))
    (shop.home / "nightly.toml").write_text(
        f'catalog = "{shop.catalog}"\nindex = "{shop.index}"\nmodel = "{shop.model}"\n'
        'metrics = "$COLLECTED/tagger.prom"\nquiet = true\nworkers = 1\n'
    )
    ended = tagger("tag", "--config", shop.home / "nightly.toml")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert watched.state() == "unchanged"


@pytest.mark.parametrize("name", ['a "quoted" one', "line\nbreak", "back\\slash", "ünïcode"])
def test_any_path_is_a_label(watched: Watched, name: str) -> None:
    index = watched.shop.home / name
    watched.shop.index.rename(index)
    tag_catalog(replace(watched.options, index=str(index)))
    watched.shop.index = index
    assert watched.state() == "unchanged"


@given(
    st.dictionaries(st.from_regex(r"\A[a-z][a-z_]{0,5}\Z"), st.text(st.characters(codec="utf-8"))),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_prometheus_reads_what_was_written(
    labels: dict[str, str], value: float, words: str
) -> None:
    text = exposition([Family("tagger_x", "gauge", words, [Sample(labels, value)])])
    (family,) = text_string_to_metric_families(text)
    (sample,) = family.samples
    assert (sample.name, sample.labels, sample.value) == ("tagger_x", labels, value)


def test_a_path_that_is_no_utf_8_is_spelled() -> None:
    path = os.fsdecode(b"/srv/\xff")
    text = exposition([Family("tagger_x", "gauge", "x", [Sample({"catalog": path}, 1)])])
    (family,) = text_string_to_metric_families(text.encode().decode())
    assert family.samples[0].labels == {"catalog": r"/srv/\xff"}


def test_names_follow_the_rules(watched: Watched) -> None:
    """Those that `promtool check metrics` complains of; see its promlint."""
    tag_catalog(watched.options)
    text = watched.file.read_text()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert set(kinds) == set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    for name, kind in kinds.items():
        words = name.split("_")
        assert words[0] == "tagger"
        assert re.fullmatch(r"[a-z_]+", name)
        assert (words[-1] == "total") == (kind == "counter")
        assert words[-1] not in ("count", "sum", "bucket")
        assert not {"gauge", "counter", "histogram", "metric"} & set(words)
        # Base units, and none shortened.
        assert not {"s", "sec", "ms", "minutes", "hours", "b", "kb", "mb", "mib", "percent"} & {
            *words
        }
    labels = {label for family in read(text).values() for each in family for label, _ in each}
    assert labels == {"index", "status", "change", "catalog", "model_id", "state", "stage"}


@pytest.mark.serial
def test_a_run_that_is_ended_before_it_begins_says_so(shop: Shop) -> None:
    """While the model is still read."""
    shop.in_the_night(
        "import os, signal, tagger.models.bundle as bundle, jobs.tag_catalog as job\n"
        "job.load_bundle = lambda *_: os.kill(os.getpid(), signal.SIGTERM)"
    )
    ended = shop.tag("--metrics", "tagger.prom")
    assert ended.returncode == 143
    watched = Watched(shop)
    assert (watched.state(), watched.value("tagger_run_exit_code")) == ("killed", 143)
    assert list_runs(str(shop.index)).runs[0].state == "killed"


def test_the_rules_on_the_page_ask_for_metrics_that_are_written(watched: Watched) -> None:
    tag_catalog(watched.options)
    written = set(read(watched.file.read_text()))
    rules = rules_on_the_page()
    assert len(rules) >= 5
    for rule in rules:
        named = set(re.findall(r"tagger_\w+", rule["expr"]))
        assert named, rule
        assert named <= written
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    told = set(re.findall(r"`(tagger_\w+)`", WATCHING.read_text()))
    of_a_run_that_published = {"tagger_run_unlike_rows"}
    assert told == written | of_a_run_that_published
