"""The user's cache folder: what can be computed again, and is faster to keep."""

import logging
import os
from pathlib import Path


def cache_folder() -> Path | None:
    """Return where this user keeps what can be computed again, which need not exist; None for a user without a home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # a relative one is to be ignored, says the XDG base directory specification
        return Path(given) / "fashion-catalog-tagger"
    try:
        return Path.home() / ".cache" / "fashion-catalog-tagger"
    except RuntimeError:
        return None


def keep_matplotlib_here() -> None:
    """Have matplotlib keep its list of fonts in our cache, or for want of one in a temporary folder, without a word.

    To be called before anything imports it; Keras does.
    """
    folder = cache_folder()
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib") if folder else "")
    os.environ["MPL_IGNORE_SYSTEM_FONTS"] = "1"  # the program that lists them writes a cache of its own
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
