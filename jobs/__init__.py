"""What a person or cron starts: thin commands over `tagger`."""

import os
import sys


def _leave_working_folder_out() -> None:
    """Undo that `python -m jobs.cli` imports from the working folder before all others, unless we
    lie there ourselves.

    A user's signal.py or select.py there would stand in for Python's; none of those has been
    imported yet.
    """
    try:
        here = os.getcwd()
    except OSError:  # deleted; then Python left it out itself
        return
    if sys.path[:1] == [here] and os.path.dirname(__path__[0]) != here:
        del sys.path[0]


if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    _leave_working_folder_out()

from jobs.console.messages import show_messages  # noqa: E402 - nothing is imported from there
from tagger.settings import spell_settings  # noqa: E402

show_messages()
spell_settings(lambda name: f"--{name.replace('_', '-')}")
