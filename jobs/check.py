"""`--check` of `tagger train` and `tagger retrain`: what is wrong with labelled sets.

And a table of renamings that a person edits.
"""

import csv
import io
import os
from pathlib import Path

from jobs import retrain, train
from schemas.training import CheckReport
from tagger.datasets.names import COLUMNS
from tagger.errors import InputError
from tagger.files import atomic_text
from tagger.machine import raise_machine_fault
from tagger.models.bundle import load_bundle
from tagger.pipeline.checking import check_set


def check_training(options: train.TrainOptions) -> CheckReport:
    """Return what `tagger train` would learn from; trains nothing and leaves nothing behind."""
    return check_set(train.training(options), train.start(options))


def check_retraining(options: retrain.RetrainOptions) -> CheckReport:
    """Return what `tagger retrain` would learn from; trains nothing and leaves nothing behind."""
    parent = load_bundle(options.parent)
    return check_set(retrain.training(options, parent), retrain.start(options, parent))


def check_new_table(propose: str, names: str | None, *, check: bool) -> None:
    """Raise InputError unless a table of renamings can be written where it is asked for.

    Parameters
    ----------
    propose : str
        The table to write.
    names : str, optional
        The one that is given already.
    check : bool
        Whether --check is given.
    """
    shown = f"--propose {propose!r}"
    if not check:
        raise InputError(f"{shown} writes what a check finds: give --check too")
    if names is not None:
        raise InputError(
            f"{shown} and --names {names!r}: give one of them; to rename more, add the rows that "
            "the check prints to the table that you have"
        )
    if os.path.lexists(propose):
        raise InputError(f"{shown} is there already, and nothing is overwritten; give another name")
    if not Path(propose).absolute().parent.is_dir():
        raise InputError(f"{shown}: there is no folder for it; make it first")


def write_proposal(report: CheckReport, propose: str) -> None:
    """Write the labels that are perhaps one label as a table for `--names`.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for miss in report.near_misses:
        rows.writerow(("", miss.group, miss.name, miss.becomes))
    try:
        # With a byte order mark: without one Excel takes it for another encoding.
        atomic_text(Path(propose), "\ufeff" + text.getvalue())
    except OSError as error:
        raise_machine_fault(error)
        raise InputError(f"--propose {propose!r} cannot be written: {error.strerror}") from error
