"""Drills of the report that a night writes: whatever goes wrong with it, the night is as it was."""

import shutil

import pytest
from shop import Mails, Shop
from test_drills import record


def test_a_report_that_could_not_be_written_is_refused_before_the_night(
    shop: Shop, mails: Mails
) -> None:
    shop.deliver_many(3)
    report = ["--report", "nowhere/night.html"]
    assert "--report 'nowhere/night.html' cannot" in shop.tag(*report, "--dry-run").stdout
    mails.hold("no-report", shop.tag(*report, "--metrics", "tagger.prom"), 2)
    assert record(shop)["state"] == "refused"
    assert 'tagger_run_exit_code{index="' in (shop.home / "tagger.prom").read_text()


def test_a_report_whose_folder_goes_away_meanwhile_is_told_and_fails_no_night(
    shop: Shop, mails: Mails
) -> None:
    (shop.home / "www").mkdir()
    shop.in_the_night(
        "import os, tagger.nightly.night as night\n"
        "planned = night.plan_night\n"
        "night.plan_night = lambda *given: (planned(*given), os.rmdir('www'))[0]"
    )
    shop.deliver_many(3)
    mails.hold("report-not-written", shop.tag("--report", "www/night.html"), 0)
    assert record(shop)["state"] == "published"


_WHILE_IT_IS_MADE = (
    "import os, signal, tagger.report.night_page as night_page\n"
    "page_of = night_page.page_of\n"
    "night_page.page_of = lambda *given: (os.kill(os.getpid(), signal.SIGTERM), page_of(*given))[1]"
)
_WHILE_IT_IS_WRITTEN = (
    "import os, signal, tagger.files as files\n"
    "sync = files.sync_file\n"
    "def sync_file(path):\n"
    "    if 'night.html' in path.name:\n"
    "        os.kill(os.getpid(), signal.SIGTERM)\n"
    "    sync(path)\n"
    "files.sync_file = sync_file"
)
_NO_MEMORY = (
    "import numpy, tagger.report.night_page as night_page\n"
    "night_page.page_of = lambda *_: numpy.ones(1 << 45)"
)


@pytest.mark.parametrize("moment", [_WHILE_IT_IS_MADE, _WHILE_IT_IS_WRITTEN])
def test_a_signal_while_the_report_is_written_ends_the_report_alone(
    shop: Shop, mails: Mails, moment: str
) -> None:
    shop.in_the_night(moment)
    shop.deliver_many(3)
    mails.hold("report-interrupted", shop.tag("--report", "night.html"), 0)
    assert (record(shop)["state"], record(shop)["exit_code"]) == ("published", 0)
    assert not list(shop.home.glob("*night.html*"))


def test_a_signal_while_the_report_of_a_refused_night_is_written_leaves_its_reason(
    shop: Shop, mails: Mails
) -> None:
    shop.in_the_night(_WHILE_IT_IS_MADE)
    shutil.rmtree(shop.catalog / "2026" / "08")
    mails.hold("report-interrupted-and-refused", shop.tag("--report", "night.html"), 3)
    assert not list(shop.home.glob("*night.html*"))


def test_a_report_that_finds_too_little_memory_fails_no_night(shop: Shop, mails: Mails) -> None:
    shop.in_the_night(_NO_MEMORY)
    shop.deliver_many(3)
    mails.hold("report-without-memory", shop.tag("--report", "night.html"), 0)
    assert not list(shop.home.glob("*night.html*"))


def test_a_signal_after_publishing_says_that_the_night_is_published(
    shop: Shop, mails: Mails
) -> None:
    shop.in_the_night(
        "import os, signal, tagger.index.store as store\n"
        "store.Index.keep_features = lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM)"
    )
    shop.deliver_many(3)
    mails.hold("ended-after-publishing", shop.tag(), 143)
    assert record(shop)["state"] == "published"
