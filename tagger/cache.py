"""The user's cache folder: what can be computed again, and is faster to keep."""

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
