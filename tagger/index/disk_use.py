"""What an index takes on the disk."""

import os
from pathlib import Path


def disk_bytes(index: Path) -> int:
    """Return the bytes that the files of an index take; one that snapshots share counts once.

    What cannot be looked at, or goes meanwhile, counts nothing.
    """
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(index):
        for name in names:
            try:
                facts = os.lstat(os.path.join(folder, name))
            except OSError:
                continue
            seen[facts.st_dev, facts.st_ino] = 512 * facts.st_blocks
    return sum(seen.values())
