"""The user's cache folder: what can be computed again, and is faster to keep."""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path


def cache_folder() -> Path | None:
    """Return where this user keeps what can be computed again, which need not exist; None where
    there is no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(
        given
    ):  # a relative one is to be ignored, says the XDG base directory specification
        return Path(given) / "fashion-catalog-tagger"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return (
        home / ".cache" / "fashion-catalog-tagger" if home.is_dir() else None
    )  # a home is not ours to make


def keep_matplotlib_here() -> None:
    """Have matplotlib keep its list of fonts in our cache, or for want of one in a temporary
    folder, without a word.

    To be called before anything imports it; Keras does.
    """
    folder = cache_folder()
    if folder is not None:
        os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    elif "MPLCONFIGDIR" not in os.environ:
        os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="tagger-matplotlib-")
        atexit.register(shutil.rmtree, os.environ["MPLCONFIGDIR"], ignore_errors=True)
    os.environ["MPL_IGNORE_SYSTEM_FONTS"] = (
        "1"  # the program that lists them writes a cache of its own
    )
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
