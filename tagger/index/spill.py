"""What a night cannot hold in memory: files in a folder of its own, for as long as it runs."""

import shutil
import tempfile
from pathlib import Path
from typing import Self

HELD = 1_000_000
"""Pictures whose facts are held in memory at a time, some 100 bytes each."""


class Spill:
    """A folder that is made when a file is first asked for, and removed at the end.

    What a killed run leaves of it, `tagger.index.store` removes.

    Parameters
    ----------
    parent : path or None
        Where the folder is made; None is where temporary files lie.
    held : int, optional
        How many pictures may be held in memory at a time; by default `HELD`.
    """

    def __init__(self, parent: Path | None, *, held: int | None = None) -> None:
        self.held = HELD if held is None else held
        self._parent = parent
        self._folder: Path | None = None

    def path(self, name: str) -> Path:
        """Return where a file of this name lies, or may be written.

        Raises
        ------
        OSError
            If the folder cannot be made.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="spill-", dir=self._parent))
        return self._folder / name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
