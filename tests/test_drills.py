"""Drills: each guard and exit code of a night, and what the mail says to whoever is woken by it.

`pytest --renew-drills` writes the golden mails in `drills/` anew; read them, as that person.
"""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

from conftest import jpeg, set_gate, textured
from nights import wait_until
from saying import say
from shop import Mails, Shop, ended
from test_faults import AS_ANYONE, needs_root

from tagger.files import file_digest
from tagger.models.bundle import model_id_of
from tagger.models.starter import STARTER

PART = (r"part-00000-[0-9a-f]{16}", "part-00000-0123456789abcdef")


def test_a_good_night_sends_no_mail(shop: Shop, mails: Mails) -> None:
    shop.deliver_many(3)
    mails.hold("good-night", shop.tag(), 0)
    mails.hold("nothing-new", shop.tag(), 0)
    states = [json.loads(path.read_text())["state"] for path in shop.index.glob("runs/*.json")]
    assert sorted(states) == ["published", "published", "unchanged"]


def test_a_search_engine_is_away_after_a_good_night(shop: Shop, mails: Mails) -> None:
    shop.deliver_many(3)
    key = shop.home / "typesense.key"
    key.write_text("xyz\n")
    settings = shop.home / "sync.toml"
    settings.write_text(
        f'to = "typesense://localhost:9/images"\nmax-wait = 0\nkey-file = "{key}"\n'
    )
    mails.hold("engine-away", shop.tag("--sync", str(settings)), 9)
    (record,) = [json.loads(path.read_text()) for path in shop.index.glob("syncs/*.json")]
    assert (record["state"], record["exit_code"]) == ("failed", 9)


def test_a_pattern_that_names_nothing_is_told_though_the_night_was_good(
    shop: Shop, mails: Mails
) -> None:
    mails.hold("idle-pattern", shop.tag("--exclude", "2026/O8"), 0)


def test_a_catalog_that_is_not_there(shop: Shop, mails: Mails) -> None:
    shop.catalog.rename(shop.home / "away")
    mails.hold("no-catalog", shop.tag(), 2)


def test_an_empty_catalog(shop: Shop, mails: Mails) -> None:
    shutil.rmtree(shop.catalog / "2026")
    (shop.catalog / ".nothing-mounted-here").touch()
    mails.hold("empty-catalog", shop.tag(), 3)


def test_too_many_pictures_are_gone(shop: Shop, mails: Mails) -> None:
    shutil.rmtree(shop.catalog / "2026" / "08")
    mails.hold("too-many-gone", shop.tag(), 3)


def test_too_many_pictures_are_left_out(shop: Shop, mails: Mails) -> None:
    mails.hold("too-many-left-out", shop.tag("--exclude", "2026/08"), 3)


def test_too_many_pictures_fail_and_fail_again(shop: Shop, mails: Mails) -> None:
    whole = jpeg(textured(24, 24, seed=1))
    for i in range(25):
        shop.deliver(f"2026/incoming/{i:04d} front.jpg", whole[: len(whole) // 2])
    for i in range(4):
        shop.deliver(f"2026/incoming/a-{i:04d}.jpg")
    for _ in range(2):  # what the first run tried lies in staging: the next says the same
        mails.hold("too-many-failures", shop.tag(), 3)
        written = record(shop)
        assert written["failed_by_status"] == {"truncated": 25, "empty": 4}
        assert [one["image_id"] for one in written["failures"]] == [
            f"2026/incoming/{i:04d} front.jpg" for i in range(10)
        ]


def test_no_picture_can_be_read_in_time(shop: Shop, mails: Mails) -> None:
    """No reading comes to its end, a minute passes at once, and three are many."""
    shop.in_workers(
        "import time, tagger.imaging.worker\n"
        "tagger.imaging.worker.read_stable = lambda *_: time.sleep(3600)"
    )
    shop.in_the_night(
        "import tagger.imaging.decoder as decoder, tagger.nightly.guards as guards\n"
        "guards.MIN_FAILURES = 3\n"
        "decoder._Worker.stuck_for = lambda self: 61 * (self._progress[1] != decoder.IDLE)"
    )
    shop.deliver_many(3)
    mails.hold("nothing-readable", shop.tag(), 3)


@needs_root
def test_a_folder_that_cannot_be_listed(shop: Shop, mails: Mails) -> None:
    (shop.catalog / "2026" / "08").chmod(0)
    mail = shop.tag(under=AS_ANYONE)
    (shop.catalog / "2026" / "08").chmod(0o755)
    mails.hold("unlistable-folder", mail, 3)


def test_columns_would_go(shop: Shop, mails: Mails) -> None:
    mails.hold("columns-would-go", shop.tag("--model", STARTER), 3)


def test_no_model_is_named(shop: Shop, mails: Mails) -> None:
    (shop.home / "nightly.toml").write_text('catalog = "catalog"\n')
    mails.hold("starter-not-meant", shop.tag("--config", "nightly.toml"), 2)


def test_a_backfill_cannot_wait(shop: Shop, mails: Mails) -> None:
    mail = shop.tag("--model", STARTER, "--backfill-limit", 10)
    mails.hold("backfill-cannot-wait", mail, 2)


def test_the_catalog_goes_away_while_it_is_read(shop: Shop, mails: Mails) -> None:
    shop.in_the_night(
        "import os, tagger.nightly.night as night\n"
        "planned = night.plan_night\n"
        "night.plan_night = lambda *given: (planned(*given), os.rename('catalog', 'away'))[0]"
    )
    shop.deliver_many(3)
    mails.hold("catalog-went-away", shop.tag(), 3)


def test_a_model_that_did_not_pass_its_gate(shop: Shop, mails: Mails) -> None:
    worse = ["color:red: average precision from 96.1 % to 88.0 %"]
    set_gate(shop.model, passed=False, parent="shop-v0", worse=worse, tolerance=0.02)
    mails.hold("gate", shop.tag(), 5)


def test_another_run_holds_the_lock(shop: Shop, mails: Mails) -> None:
    shop.deliver_many(3)
    first = shop.start()
    wait_until(lambda: (shop.index / "_lock").stat().st_size > 0, first)
    first.send_signal(signal.SIGSTOP)
    mail = shop.tag()
    first.send_signal(signal.SIGCONT)
    assert ended(first).returncode == 0
    mails.hold("locked", mail, 4)


def test_the_time_is_up_before_the_catalog_is_walked(shop: Shop, mails: Mails) -> None:
    mails.hold("time-up-at-once", shop.tag("--max-seconds", 0), 7)


def test_the_time_is_up_half_way(shop: Shop, mails: Mails) -> None:
    """Four hours pass after the first pictures."""
    shop.in_the_night(
        "import time, tagger.nightly.run as run\n"
        "answered, monotonic = run.Run.answered, time.monotonic\n"
        "def four_hours_later(self):\n"
        "    answered(self)\n"
        "    time.monotonic = lambda: monotonic() + 4 * 3600\n"
        "run.Run.answered = four_hours_later"
    )
    shop.deliver_many(400)
    numbers = (r"after \d+ of 400", "after 128 of 400"), (r"about \d+ more", "about 3 more")
    mail = shop.tag("--max-seconds", 3 * 3600)
    mails.hold("time-up-half-way", mail, 7, *numbers)
    kept = int(re.search(r"after (\d+) of 400", " ".join(mail.stdout.split()))[1])
    shutil.rmtree(shop.home / "site")
    assert json.loads(shop.tag("--json").stdout)["reused"] == kept > 0


def test_the_time_is_up_while_rescoring_from_features(shop: Shop, mails: Mails) -> None:
    """Four hours pass after the first of some buckets."""
    shutil.rmtree(shop.index)
    shop.in_the_night(
        "import tagger.index.buckets as buckets\nbuckets.bucket_count = lambda rows: 4"
    )
    assert shop.tag("--features").returncode == 0
    shutil.rmtree(shop.home / "site")
    shop.in_the_night(
        "import time, tagger.index.features as features\n"
        "read, monotonic = features.FeatureStore.read, time.monotonic\n"
        "def four_hours_later(self, places):\n"
        "    time.monotonic = lambda: monotonic() + 4 * 3600\n"
        "    return read(self, places)\n"
        "features.FeatureStore.read = four_hours_later"
    )
    same_trunk(shop.model, shop.home / "models" / "shop-v2")
    again = ["--model", "models/shop-v2", "--features"]
    mail = shop.tag(*again, "--max-seconds", 3 * 3600)
    mails.hold("time-up-while-rescoring", mail, 7)
    kept = int(re.search(r"after (\d+) of 48", " ".join(mail.stdout.split()))[1])
    shutil.rmtree(shop.home / "site")
    assert json.loads(shop.tag(*again, "--json").stdout)["reused"] == kept > 0


def same_trunk(model: Path, other: Path) -> None:
    """Make another model that needs the same features: one threshold differs."""
    shutil.copytree(model, other)
    thresholds = json.loads((other / "thresholds.json").read_text())
    thresholds["labels"][0]["threshold"] = 0.1234
    (other / "thresholds.json").write_text(json.dumps(thresholds))
    described = json.loads((other / "bundle.json").read_text())
    described["files"]["thresholds.json"] = file_digest(other / "thresholds.json")
    described |= {"name": other.name, "model_id": model_id_of(other)}
    (other / "bundle.json").write_text(json.dumps(described))


def test_a_snapshot_without_a_manifest(shop: Shop, mails: Mails) -> None:
    (shop.current() / "manifest.json").write_text("{")
    mails.hold("damaged-manifest", shop.tag(), 2)


def test_a_snapshot_with_a_damaged_part(shop: Shop, mails: Mails) -> None:
    (part,) = (shop.current() / "rows").iterdir()
    part.write_bytes(part.read_bytes()[:1000])
    mails.hold("damaged-part", shop.tag(), 2, PART)


def test_a_link_that_is_lost(shop: Shop, mails: Mails) -> None:
    (shop.index / "current").unlink()
    mails.hold("no-current", shop.tag(), 2)


def test_damaged_corrections(shop: Shop, mails: Mails) -> None:
    say(shop.index, "0" * 64, "color", label="red")
    log = shop.index / "corrections.jsonl"
    log.write_text(log.read_text().replace("red", "bed"))
    mails.hold("damaged-corrections", shop.tag(), 2)


def test_a_catalog_behind_a_link_that_leads_elsewhere(shop: Shop, mails: Mails) -> None:
    shop.catalog.rename(shop.home / "pictures")
    shop.catalog.symlink_to("pictures")
    mails.hold("wrong-catalog", shop.tag(), 2)


def test_an_index_of_an_older_format(shop: Shop, mails: Mails) -> None:
    manifest = shop.current() / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format_version": 0}))
    mails.hold("older-format", shop.tag(), 2)


def test_a_folder_that_is_no_index(shop: Shop, mails: Mails) -> None:
    shutil.rmtree(shop.index)
    shop.index.mkdir()
    (shop.index / "photos").mkdir()
    mails.hold("no-index", shop.tag(), 2)


def test_a_model_that_is_damaged(shop: Shop, mails: Mails) -> None:
    (shop.model / "thresholds.json").write_text("{}")
    mails.hold("damaged-model", shop.tag(), 2)


def test_a_model_that_is_not_there(shop: Shop, mails: Mails) -> None:
    mails.hold("no-model", shop.tag("--model", "models/current"), 2)


def test_a_setting_that_does_not_exist(shop: Shop, mails: Mails) -> None:
    (shop.home / "nightly.toml").write_text("max-deletions = 0.1\n")
    mails.hold("unknown-setting", shop.tag("--config", "nightly.toml"), 2)


def test_an_option_that_is_out_of_range(shop: Shop, mails: Mails) -> None:
    mails.hold("out-of-range", shop.tag("--max-error-rate", 7), 2)


def test_verify_finds_faults(shop: Shop, mails: Mails) -> None:
    (part,) = (shop.current() / "rows").iterdir()
    part.write_bytes(part.read_bytes()[:1000])
    mails.hold("verify", shop.run("verify", "index"), 6, PART)


def test_a_metrics_file_that_cannot_be_written_is_told_and_fails_no_night(
    shop: Shop, mails: Mails
) -> None:
    shop.deliver_many(3)
    mails.hold("no-metrics", shop.tag("--metrics", "nowhere/tagger.prom"), 0)
    assert record(shop)["state"] == "published"


def record(shop: Shop) -> dict[str, Any]:
    newest = max((shop.index / "runs").glob("*.json"))
    return json.loads(newest.read_text())
