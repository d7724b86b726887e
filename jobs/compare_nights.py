"""Two nights of an index, picture by picture."""

import os
from itertools import chain
from typing import TYPE_CHECKING

from jobs.compare_models import Compared
from schemas.comparison import CompareReport, Side
from schemas.corrections import Correction
from tagger.catalog import absolute_path
from tagger.errors import InputError
from tagger.index.corrections import CorrectionLog
from tagger.index.night_paths import open_night
from tagger.index.snapshots import Snapshot
from tagger.index.two_nights import pair_nights
from tagger.report.thumbnails import Wanted
from tagger.settings import setting

if TYPE_CHECKING:
    from jobs.compare import CompareOptions


def compare_nights(options: "CompareOptions") -> Compared:
    """Return what two nights answer differently; what persons said by now is the truth.

    Raises
    ------
    InputError
        If a night is gone or damaged, or an option is for models.
    """
    _check(options)
    a = open_night(options.a)
    b = open_night(options.b)
    nights = pair_nights(a, b, _said(a, b))
    found = nights.found()
    catalog = b.manifest.catalog
    report = CompareReport(
        kind="nights",
        a=_side(options.a, a),
        b=_side(options.b, b),
        on=catalog,
        comparison=found.comparison,
        rows=nights.rows,
        label_rows=nights.label_rows,
    )

    def picture(at: int) -> tuple[Wanted, str]:
        image_id = str(nights.compared.image_ids[at])
        content = str(nights.compared.contents[at])
        return Wanted(absolute_path(catalog, image_id), content), image_id

    return Compared(report, found.flips, picture, os.path.realpath(catalog))


def _said(a: Snapshot, b: Snapshot) -> list[Correction]:
    """Return what persons said by now, in the index of A, and in that of B if it is another: the
    last word counts, in whichever of them."""
    folders = dict.fromkeys((a.index_folder, b.index_folder))
    logs = [CorrectionLog(folder).read().corrections for folder in folders]
    return logs[0] if len(logs) == 1 else sorted(chain(*logs), key=lambda word: word.at)


def _side(given: str, night: Snapshot) -> Side:
    return Side(given=given, name=night.path.name, model_id=night.manifest.model_id)


def _check(options: "CompareOptions") -> None:
    """Raise InputError if something is asked that two nights do not need."""
    asked = {
        "on": options.on,
        "catalog": options.catalog,
        "sample": options.sample,
        "names": options.names,
        "exclude": options.exclude,
    }
    if idle := [setting(name) for name, value in asked.items() if value]:
        raise InputError(
            f"{', '.join(idle)}: for two models alone; nights are compared on all their pictures"
        )
