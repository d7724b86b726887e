"""The pictures that a label table names: which file each cell means."""

import os
import unicodedata
from functools import cache
from pathlib import Path

from tagger.catalog import image_id, relative_path
from tagger.errors import DatasetError


class ImageFinder:
    """Find files below a table's folder by what the table calls them.

    Parameters
    ----------
    folder : Path
        Where the table lies.
    """

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self._shown = os.path.abspath(folder)
        self._names = cache(_names_in)

    def find(self, image: str) -> str | None:
        """Return the path of the file that is meant, None if there is none.

        The file of exactly this name comes first; then one without blanks around it, with a
        backslash between folders, or named as in an index; then one of the same name in another
        Unicode form.

        Raises
        ------
        DatasetError
            If it is not a path below the folder.
        """
        path = self._below(image)
        if path is None or not image.strip() or image.endswith("/"):
            raise DatasetError(
                f"image {image!r} is not a path below the table's folder {self.root!r}"
            )
        if os.path.exists(path):
            return path
        readings = [path, *map(self._below, _other_readings(image))]
        inside = [path for path in readings if path is not None]
        exact = next((path for path in inside if os.path.exists(path)), None)
        return exact or next(
            (found for path in inside if (found := self._in_another_form(path))), None
        )

    def image_id(self, path: str) -> str:
        """Return the id of a file that was found, as the walk of a folder gives it."""
        return image_id(os.fsencode(self._inside(path)))

    def _below(self, image: str) -> str | None:
        # An absolute path may go by a link that leads to the folder.
        for start in (self.root, self._shown):
            path = os.path.normpath(os.path.join(start, image))
            folder = os.path.join(start, "")
            if path.startswith(folder):
                return os.path.join(self.root, path[len(folder) :])
        return None

    def _inside(self, path: str) -> str:
        return path[len(os.path.join(self.root, "")) :]

    def _in_another_form(self, path: str) -> str | None:
        """Return the one path that differs from this in the Unicode form of its names alone."""
        here = self.root
        for name in self._inside(path).split(os.sep):
            alike = self._names(here).get(_form(name), [])
            found = [name] if name in alike else alike
            if len(found) != 1:
                return None
            here = os.path.join(here, found[0])
        return here


def _other_readings(image: str) -> list[str]:
    readings = [image.strip()]
    if "\\" in image:
        readings += [image.strip().replace("\\", "/"), os.fsdecode(relative_path(image.strip()))]
    return readings


def _names_in(folder: str) -> dict[str, list[str]]:
    """Return the names in a folder by their composed form."""
    found: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):
            found.setdefault(_form(name), []).append(name)
    except OSError:
        pass  # it is a file, or nobody may look into it: no picture is found there
    return found


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
