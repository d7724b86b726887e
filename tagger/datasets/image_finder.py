"""The pictures that a label table names: which file each cell means."""

import os
import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tagger.catalog import Walk, image_id, relative_path
from tagger.datasets.picture_names import PictureNames, wanted_parts
from tagger.datasets.problems import Kind
from tagger.errors import DatasetError, Refused


@dataclass(frozen=True)
class Lost:
    """A cell that names no picture.

    Attributes
    ----------
    kind : Kind
    what : str
        A sentence for the person who mends it.
    """

    kind: Kind
    what: str


class ImageFinder:
    """Find files below a folder by what a table calls them, and never any outside.

    Parameters
    ----------
    folder : Path
        Where the pictures lie: the table's folder, or another that was named.
    """

    def __init__(self, folder: Path) -> None:
        self.root = os.path.realpath(folder)
        self._shown = os.path.abspath(folder)
        self._names = cache(_names_in)
        self._really = cache(os.path.realpath)

    def find(self, image: str) -> str | Lost:
        """Return the path of the file that is meant, or why there is none.

        The file of exactly this name comes first; then one without blanks around it, with a
        backslash between folders, or named as in an index; then one of the same name in another
        Unicode form; then the only picture below the folder that may be meant: in another case,
        without its ending, by the last parts of an address or of another machine's path.

        Raises
        ------
        DatasetError
            If a folder below cannot be listed.
        """
        if not image.strip():
            return Lost("missing file", f"image {image!r} is not a path: the row names no picture")
        path = self._exact(image)
        if path is None:
            return self._only_one(image)
        if self._is_outside(path):
            return Lost(
                "missing file",
                f"image {image!r} is a link that leads out of {self.root!r}; put the picture there",
            )
        return path

    def image_id(self, path: str) -> str:
        """Return the id of a file that was found, as the walk of a folder gives it."""
        return image_id(os.fsencode(self._inside(path)))

    def _exact(self, image: str) -> str | None:
        """Return the file of this name, in another notation or Unicode form at most."""
        if image.endswith("/"):
            return None
        readings = [self._below(image), *map(self._below, _other_readings(image))]
        inside = [path for path in readings if path is not None]
        exact = next((path for path in inside if _is_file(path)), None)
        return exact or next(
            (found for path in inside if (found := self._in_another_form(path))), None
        )

    def _only_one(self, image: str) -> str | Lost:
        """Return the one picture that may be meant, or why there is none."""
        path = self._below(image)
        parts, is_elsewhere = wanted_parts(image)
        if path is not None and os.path.isabs(image):  # below the folder, so its folders count
            parts, is_elsewhere = wanted_parts(self._inside(path))
        found = self._pictures.matching(parts, any_folder=is_elsewhere)
        if len(found) == 1 and ".." not in parts:
            return os.path.join(self.root, found[0])
        if found and ".." not in parts:
            named = ", ".join(map(repr, found[:5])) + (" ..." if len(found) > 5 else "")
            what = f"may be {len(found)} files: {named}; write which"
            return Lost("ambiguous file", f"image {image!r} {what}")
        if path is not None and os.path.isdir(path):
            return Lost("missing file", f"image {image!r} is a folder; name a file in it")
        namesakes = self._pictures.matching(parts[-1:], any_folder=True)
        hint = f"; another folder has {namesakes[0]!r}" if namesakes else ""
        what = "is missing: it is not" if path else "is not a path"
        return Lost("missing file", f"image {image!r} {what} below {self.root!r}{hint}")

    @cached_property
    def _pictures(self) -> PictureNames:
        """Return all pictures below the folder: read only if a name does not lead to its file."""
        try:
            found = sorted(relative_path(each.image_id) for each in Walk(self.root))
        except Refused as error:
            raise DatasetError(f"pictures of a table: {error}") from error
        return PictureNames([os.fsdecode(each) for each in found])

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

    def _is_outside(self, path: str) -> bool:
        folder = self._really(os.path.dirname(path))
        place = os.path.realpath(path) if os.path.islink(path) else os.path.join(folder, "")
        return not place.startswith(os.path.join(self.root, ""))

    def _in_another_form(self, path: str) -> str | None:
        """Return the one path that differs from this in the Unicode form of its names alone."""
        here = self.root
        for name in self._inside(path).split(os.sep):
            alike = self._names(here).get(_form(name), [])
            found = [name] if name in alike else alike
            if len(found) != 1:
                return None
            here = os.path.join(here, found[0])
        return here if _is_file(here) else None


def _is_file(path: str) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)


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
