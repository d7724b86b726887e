"""Pictures below a folder by their names: which one an id, an address or a foreign path means."""

import os
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_MANY = 20
_WHOLE = re.compile(r"(\d+)\.0")


class PictureNames:
    """All pictures below a folder, by the last part of their path.

    Parameters
    ----------
    paths : sequence of str
        Relative to the folder.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        self._by_number: dict[str, list[str]] = {}
        self._by_folder: dict[int, dict[str, list[str]]] = {}
        for path in paths:
            name = _key(os.path.basename(path))
            stem = os.path.splitext(name)[0]
            self._by_name.setdefault(name, []).append(path)
            self._by_stem.setdefault(stem, []).append(path)
            if stem.isdecimal():
                self._by_number.setdefault(_number(stem), []).append(path)

    def matching(self, parts: Sequence[str], *, any_folder: bool) -> list[str]:
        """Return the pictures that these last parts of a path may mean, the best matches alone.

        The file of this name comes first, in any case; then those whose name without its ending
        this is; then those of the same number. A spreadsheet takes the zeros before a number away,
        so of a number without any all files of the same number may be meant.

        Parameters
        ----------
        any_folder : bool
            Whether the folders before the name may be other ones, as on another machine. Else they
            are those before the file, as far as there are any.
        """
        if not parts:
            return []
        last = _key(parts[-1])
        number = _number(match[1] if (match := _WHOLE.fullmatch(last)) else last)
        namesakes = (
            self._by_name.get(last),
            None if last == number and number.isdecimal() else self._by_stem.get(last),
            self._by_number.get(number) if number.isdecimal() else None,
        )
        for found in namesakes:
            likely = self._likely(found, parts, any_folder=any_folder) if found else []
            if likely and (best := _nearest(likely, parts, any_folder=any_folder)):
                return best
        return []

    def _likely(self, found: list[str], parts: Sequence[str], *, any_folder: bool) -> list[str]:
        """Return those of these namesakes that may be nearest: in a catalog in which each folder
        has its 1.jpg there are many, and few of them lie in a folder of the right name."""
        if len(found) < _MANY or len(parts) < 2:
            return found
        if id(found) not in self._by_folder:
            folders: dict[str, list[str]] = {}
            for path in found:
                folders.setdefault(_key(os.path.basename(os.path.dirname(path))), []).append(path)
            self._by_folder[id(found)] = folders
        folders = self._by_folder[id(found)]
        near = folders.get(_key(parts[-2]), [])
        return (near or found) if any_folder else [*near, *folders.get("", [])]


def wanted_parts(image: str) -> tuple[list[str], bool]:
    """Return the parts of a path that a cell names, and whether its folders are elsewhere.

    They are for the address of a web page, and for a path that begins at the root or at a drive of
    some machine.

    >>> wanted_parts(r"C:\\Fotos\\rot\\1.jpg")
    (['Fotos', 'rot', '1.jpg'], True)
    """
    text = image.strip()
    if _ADDRESS.match(text):
        try:
            path = unquote(urlsplit(text).path)
        except ValueError:  # no address after all
            path = text
        return _parts(path), True
    is_absolute = text.startswith(("/", "\\")) or bool(_DRIVE.match(text))
    if _DRIVE.match(text):
        text = text[2:]
    return _parts(text.replace("\\", "/")), is_absolute


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _nearest(found: Sequence[str], parts: Sequence[str], *, any_folder: bool) -> list[str]:
    """Return those of these files whose folders agree best with the parts."""
    rated = [(_agreeing(path, parts), path) for path in found]
    if not any_folder:
        needed = len(parts) - 1
        rated = [(n, path) for n, path in rated if n == min(needed, len(path.split(os.sep)) - 1)]
    most = max((n for n, _ in rated), default=0)
    best = [path for n, path in rated if n == most]
    exact = [path for path in best if _form(os.path.basename(path)) == _form(parts[-1])]
    return exact if len(exact) == 1 else best


def _agreeing(path: str, parts: Sequence[str]) -> int:
    """Return how many folders before a file's name are those before the last part."""
    folders = path.split(os.sep)[-2::-1]
    wanted = list(parts)[-2::-1]
    n = 0
    for here, there in zip(folders, wanted, strict=False):
        if _key(here) != _key(there):
            break
        n += 1
    return n


def _number(text: str) -> str:
    return text.lstrip("0") or text[:1]


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
